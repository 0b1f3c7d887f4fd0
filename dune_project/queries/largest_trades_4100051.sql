/* dune
name: The largest trades of a day
description: The twenty largest trades of one day. Each day is a partition, and keeps what it has found.
tags: [by_day]
group: reports
owners: [team:research]
parameters:
  day: {type: datetime, value: "2026-06-01 00:00:00"}
partitions:
  kind: daily
  start: 2026-05-02
  end: 2026-07-01
  parameters:
    day: "{window_start}"
*/
SELECT
  block_time,
  blockchain,
  pair,
  amount_usd
FROM dune.acme.result_dex_trades_clean
WHERE block_time >= TIMESTAMP '{{day}}'
  AND block_time < TIMESTAMP '{{day}}' + INTERVAL '1' DAY
ORDER BY amount_usd DESC
LIMIT 20
