-- Whether the store knows any of $users.
SELECT count(*) > 0 FROM raw.dim_user WHERE list_contains($users, user_id)
