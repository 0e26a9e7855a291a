-- Names as they stand in texts; those in which no other word is meant; addresses, which are told in any spelling.
SET VARIABLE sought = {'names': CAST($names AS VARCHAR[]), 'telling': CAST($telling AS VARCHAR[]), 'addresses': CAST($addresses AS VARCHAR[])}
