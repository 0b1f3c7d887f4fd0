/* dune
description: A price of zero or less is none. The first ten of them are shown.
check: {asset: dune.acme.result_prices_daily, sample_rows: 10}
*/
SELECT
  block_date,
  symbol,
  price_usd
FROM dune.acme.result_prices_daily
WHERE price_usd <= 0
ORDER BY block_date, symbol
