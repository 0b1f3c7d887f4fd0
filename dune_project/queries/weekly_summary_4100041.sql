/* dune
name: The week in figures
description: What the weekly report says, a row a week and chain.
tags: [overview]
group: reports
owners: [team:research]
automation: eager
freshness: {fail_hours: 192}
*/
SELECT
  DATE_TRUNC('week', block_date) AS week,
  blockchain,
  SUM(trades) AS trades,
  SUM(volume_usd) AS volume_usd,
  AVG(traders) AS average_traders
FROM query_4100033
GROUP BY 1, 2
ORDER BY 1 DESC, volume_usd DESC
