/* dune
description: DEX volume by day and token.
matview: dune.acme.result_token_daily_volume
tags: [dex, daily]
group: marts
*/
WITH legs AS (
  SELECT block_date, token_bought_symbol AS symbol, amount_usd FROM dune.acme.result_dex_trades_clean
  UNION ALL
  SELECT block_date, token_sold_symbol AS symbol, amount_usd FROM dune.acme.result_dex_trades_clean
)
SELECT
  block_date,
  symbol,
  COUNT(*) AS trades,
  SUM(amount_usd) / 2 AS volume_usd
FROM legs
GROUP BY 1, 2
