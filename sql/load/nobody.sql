-- Key 0: no account, no user.
INSERT INTO raw.dim_account SELECT 0, NULL WHERE NOT EXISTS (SELECT 1 FROM raw.dim_account WHERE account_key = 0);
INSERT INTO raw.dim_user SELECT 0, NULL WHERE NOT EXISTS (SELECT 1 FROM raw.dim_user WHERE user_key = 0)
