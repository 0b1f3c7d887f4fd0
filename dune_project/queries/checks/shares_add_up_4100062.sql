/* dune
description: How far the market shares of a day are from one, on the worst day.
check: {asset: dune.acme.result_dex_market_share, kind: value, at_most: 0.000001}
*/
SELECT MAX(ABS(total - 1)) AS off_by
FROM (
  SELECT block_date, SUM(share) AS total
  FROM dune.acme.result_dex_market_share
  GROUP BY 1
) AS days
