/* dune
matview: dune.acme.result_dex_trades_clean
description: One row a swap of at least one US dollar, with the symbols of the pair in alphabetical order.
tags: [dex, staging]
group: staging
freshness: {fail_hours: 26, warn_hours: 25}
*/
SELECT
  block_date,
  block_time,
  blockchain,
  project,
  version,
  CASE
    WHEN token_bought_symbol < token_sold_symbol THEN token_bought_symbol || '-' || token_sold_symbol
    ELSE token_sold_symbol || '-' || token_bought_symbol
  END AS pair,
  token_bought_symbol,
  token_sold_symbol,
  token_bought_amount,
  token_sold_amount,
  amount_usd,
  taker,
  tx_hash
FROM dex.trades
WHERE amount_usd >= 1
