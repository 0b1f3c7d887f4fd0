/* dune
description: DEX volume by month and kind of chain, which Python has uploaded as labels.
matview: dune.acme.result_labelled_volume
tags: [labels]
*/
SELECT
  date_trunc('month', trades.block_date) AS month,
  labels.kind,
  COUNT(*) AS trades,
  SUM(trades.amount_usd) AS volume_usd
FROM dex.trades AS trades
JOIN dune.acme.chain_labels AS labels
  ON labels.blockchain = trades.blockchain
GROUP BY 1, 2
