-- Times: rounding, texts, intervals, timestamps of more than six digits, and zones.

CREATE OR REPLACE MACRO trino_timestamp_rounded(x, step) AS
  list_transform([{'t': epoch_us(x) + step // 2, 's': step}], lambda r: make_timestamp(r.t - ((r.t % r.s) + r.s) % r.s))[1];
CREATE OR REPLACE MACRO trino_time_rounded(x, step) AS
  CAST(trino_timestamp_rounded(DATE '1970-01-01' + x, step) AS TIME);
CREATE OR REPLACE MACRO trino_timestamp_text(x, digits) AS
  left(strftime(x, '%Y-%m-%d %H:%M:%S.%f'), CASE WHEN digits = 0 THEN 19 ELSE 20 + digits END);
CREATE OR REPLACE MACRO trino_time_text(x, digits) AS
  substr(trino_timestamp_text(DATE '1970-01-01' + x, digits), 12);
CREATE OR REPLACE MACRO trino_iso(x, digits) AS replace(trino_timestamp_text(x, digits), ' ', 'T');
CREATE OR REPLACE MACRO trino_two(n) AS lpad(CAST(n AS VARCHAR), 2, '0');
CREATE OR REPLACE MACRO trino_day_interval_text(x) AS
  list_transform([{'s': CASE WHEN x < 0 THEN '-' ELSE '' END, 'n': abs(x)}], lambda r:
    r.s || (r.n // 86400000) || ' ' || trino_two(r.n // 3600000 % 24) || ':' || trino_two(r.n // 60000 % 60) || ':'
    || trino_two(r.n // 1000 % 60) || '.' || lpad(CAST(r.n % 1000 AS VARCHAR), 3, '0'))[1];
CREATE OR REPLACE MACRO trino_month_interval_text(x) AS
  list_transform([{'s': CASE WHEN x < 0 THEN '-' ELSE '' END, 'n': abs(x)}], lambda r: r.s || (r.n // 12) || '-' || (r.n % 12))[1];
-- Milliseconds of microseconds, half a one up.
CREATE OR REPLACE MACRO trino_rounded_milliseconds(x) AS
  list_transform([CAST(x AS BIGINT) + 500], lambda v: (v - ((v % 1000) + 1000) % 1000) // 1000)[1];
CREATE OR REPLACE MACRO trino_whole_days(x) AS
  list_transform([x], lambda v: CASE WHEN v % 86400000 <> 0
    THEN CAST(trino_fail('Cannot add hour, minutes or seconds to a date') AS INTEGER) ELSE CAST(v // 86400000 AS INTEGER) END)[1];
CREATE OR REPLACE MACRO trino_millisecond(x) AS millisecond(x) % 1000;
CREATE OR REPLACE MACRO trino_from_unixtime(x) AS make_timestamptz(CAST(round(CAST(x AS DOUBLE) * 1000) AS BIGINT) * 1000);

-- What lies between two bounds, both included.
CREATE OR REPLACE MACRO trino_sequence_steps(start, stop, step) AS
  list_transform([{'a': start, 'b': stop, 's': step}], lambda r: CASE
    WHEN r.s = 0 THEN CAST([trino_fail('step must not be zero')] AS BIGINT[])
    WHEN (r.s > 0 AND r.a > r.b) OR (r.s < 0 AND r.a < r.b) THEN CAST([trino_fail('sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop should be less than or equal to start')] AS BIGINT[])
    WHEN (CAST(r.b AS HUGEINT) - r.a) // r.s >= 10000 THEN CAST([trino_fail('result of sequence function must not have more than 10000 entries')] AS BIGINT[])
    ELSE CAST(generate_series(r.a, r.b, r.s) AS BIGINT[]) END)[1];
CREATE OR REPLACE MACRO trino_sequence(start, stop) AS
  list_transform([{'a': start, 'b': stop}], lambda r: trino_sequence_steps(r.a, r.b, CASE WHEN r.a <= r.b THEN 1 ELSE -1 END))[1],
  (start, stop, step) AS trino_sequence_steps(start, stop, step);
CREATE OR REPLACE MACRO trino_sequence_days(start, stop, step) AS
  list_transform([{'a': start, 'n': CAST(stop - start AS BIGINT), 's': trino_whole_days(step)}], lambda r:
    list_transform(trino_sequence_steps(0, r.n, r.s), lambda d: CAST(r.a + CAST(d AS INTEGER) AS DATE)))[1];
CREATE OR REPLACE MACRO trino_sequence_milliseconds(start, stop, step) AS
  list_transform([{'a': start, 'n': (epoch_us(stop) - epoch_us(start)) // 1000, 's': step}], lambda r:
    list_transform(trino_sequence_steps(0, r.n, r.s), lambda m: r.a + to_milliseconds(m)))[1];
CREATE OR REPLACE MACRO trino_sequence_months(start, stop, step) AS
  list_transform([{'a': start, 'b': stop, 's': step, 'n': py_date_diff('month', start, stop)}], lambda r:
    list_transform(trino_sequence_steps(0, CASE WHEN r.n = 0 AND r.b <> r.a AND (r.s > 0) = (r.b < r.a) THEN -r.s ELSE r.n END, r.s),
      lambda m: r.a + to_months(CAST(m AS INTEGER))))[1];

-- Timestamps of more than six digits: microseconds, and picoseconds beyond.
CREATE OR REPLACE MACRO trino_precise(x, picos) AS
  list_transform([x], lambda v: CASE WHEN v IS NOT NULL THEN struct_pack(micros := CAST(v AS TIMESTAMP), picos := CAST(picos AS INTEGER)) END)[1];
CREATE OR REPLACE MACRO trino_precise_add(x, duration) AS
  list_transform([{'x': x, 'd': duration}], lambda r: trino_precise(r.x.micros + r.d, r.x.picos))[1];
CREATE OR REPLACE MACRO trino_precise_rounded(x, step) AS
  list_transform([{'x': x, 's': CAST(step AS BIGINT)}], lambda r: list_transform([(r.x.picos + r.s // 2) // r.s * r.s], lambda p:
    trino_precise(r.x.micros + to_microseconds(p // 1000000), p % 1000000))[1])[1];
CREATE OR REPLACE MACRO trino_precise_text(x, digits) AS
  list_transform([x], lambda v: left(strftime(v.micros, '%Y-%m-%d %H:%M:%S.%f') || lpad(CAST(v.picos AS VARCHAR), 6, '0'), 20 + digits))[1];

-- Times in other zones than UTC: the moment, and the zone's name.
CREATE OR REPLACE MACRO trino_zoned(moment, zone) AS
  list_transform([{'t': moment, 'z': zone}], lambda r: CASE WHEN r.t IS NOT NULL AND r.z IS NOT NULL THEN
    struct_pack(zoned_instant := CAST(r.t AS TIMESTAMPTZ), zoned_name := r.z) END)[1];
CREATE OR REPLACE MACRO trino_zoned_read(x) AS
  list_transform([x], lambda v: CASE WHEN v IS NOT NULL THEN
    struct_pack(zoned_instant := CAST(v.moment AS TIMESTAMPTZ), zoned_name := v.zone) END)[1];
CREATE OR REPLACE MACRO trino_utc_read(x) AS
  list_transform([x], lambda v: CASE WHEN v.zone <> 'UTC'
    THEN CAST(CAST(trino_fail('a text with the time zone ' || v.zone || ' is not supported here by this emulator') AS VARCHAR) AS TIMESTAMPTZ)
    ELSE CAST(v.moment AS TIMESTAMPTZ) END)[1];
CREATE OR REPLACE MACRO trino_shown(x) AS
  list_transform([x], lambda v: py_zone_shown(CAST(v.zoned_instant AS TIMESTAMP), v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_zoned_local(shown, zone) AS
  list_transform([{'l': shown, 'z': zone}], lambda r: trino_zoned(CAST(py_zone_moment(r.l, r.z) AS TIMESTAMPTZ), r.z))[1];
CREATE OR REPLACE MACRO trino_zoned_trunc_date(unit, x) AS
  list_transform([x], lambda v: trino_zoned_local(CAST(date_trunc(unit, trino_shown(v)) AS TIMESTAMP), v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_zoned_trunc_clock(unit, x) AS
  list_transform([x], lambda v: list_transform([trino_shown(v)], lambda s:
    trino_zoned(v.zoned_instant - (s - CAST(date_trunc(unit, s) AS TIMESTAMP)), v.zoned_name))[1])[1];
CREATE OR REPLACE MACRO trino_zoned_add_date(x, days) AS
  list_transform([{'v': x, 'd': days}], lambda r: trino_zoned_local(trino_shown(r.v) + r.d, r.v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_zoned_add_clock(x, duration) AS
  list_transform([{'v': x, 'd': duration}], lambda r: trino_zoned(r.v.zoned_instant + r.d, r.v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_zoned_rounded(x, step) AS
  list_transform([x], lambda v: trino_zoned(CAST(trino_timestamp_rounded(CAST(v.zoned_instant AS TIMESTAMP), step) AS TIMESTAMPTZ), v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_zone_offset(x) AS
  list_transform([x], lambda v: py_zone_offset(CAST(v.zoned_instant AS TIMESTAMP), v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_offset_text(minutes) AS
  list_transform([minutes], lambda m: CASE WHEN m < 0 THEN '-' ELSE '+' END || trino_two(abs(m) // 60) || ':' || trino_two(abs(m) % 60))[1];
CREATE OR REPLACE MACRO trino_offset_name(hours, minutes) AS
  list_transform([hours * 60 + minutes], lambda m: CASE
    WHEN abs(m) > 840 THEN trino_fail('Invalid offset minutes ' || m) ELSE py_zone_name(trino_offset_text(m)) END)[1];
CREATE OR REPLACE MACRO trino_offset_of_interval(milliseconds) AS
  list_transform([milliseconds], lambda ms: CASE
    WHEN ms % 60000 <> 0 THEN trino_fail('Invalid time zone offset interval: interval contains seconds')
    WHEN ms IS NOT NULL THEN py_zone_name(trino_offset_text(ms // 60000)) END)[1];
CREATE OR REPLACE MACRO trino_iso_offset(x) AS
  list_transform([trino_zone_offset(x)], lambda m: CASE WHEN m = 0 THEN 'Z' ELSE trino_offset_text(m) END)[1];
