/* dune
description: Keeps what reads the volumes of tokens from running while one of them is missing.
check: {asset: dune.acme.result_token_daily_volume, kind: gate}
*/
SELECT
  CASE
    WHEN COUNT(*) > 0 THEN CAST('gate closed: ' || CAST(COUNT(*) AS VARCHAR) || ' volumes are missing' AS BIGINT)
  END AS missing
FROM dune.acme.result_token_daily_volume
WHERE volume_usd IS NULL
