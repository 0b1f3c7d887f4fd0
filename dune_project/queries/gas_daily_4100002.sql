/* dune
matview: dune.acme.result_gas_daily
description: What Ethereum's users paid for gas each day, in ETH.
tags: [ethereum, staging]
group: staging
checks:
  about_as_many_days: {kind: row_count, at_least: 1, factor_at_most: 2}
*/
SELECT
  block_date,
  COUNT(*) AS transactions,
  SUM(CAST(gas_used AS DOUBLE) * CAST(gas_price AS DOUBLE)) / 1e18 AS gas_eth,
  AVG(CAST(gas_price AS DOUBLE)) / 1e9 AS average_gwei
FROM ethereum.transactions
WHERE success
GROUP BY 1
