-- Times in other zones than UTC: the moment, what clocks there show, and the zone's name.
CREATE OR REPLACE MACRO trino_zoned(moment, zone) AS
  list_transform([{'t': moment, 'z': zone}], lambda r: CASE WHEN r.t IS NOT NULL THEN
    {'zoned_instant': CAST(r.t AS TIMESTAMPTZ), 'zoned_local': timezone(r.z, CAST(r.t AS TIMESTAMPTZ)), 'zoned_name': r.z} END)[1];
-- The moment when clocks in a zone show a time; the earlier one where they show it twice.
CREATE OR REPLACE MACRO trino_moment(shown, zone) AS
  list_transform([{'l': CAST(shown AS TIMESTAMP), 'z': zone}], lambda r: list_transform([timezone(r.z, r.l)], lambda t: CASE
    WHEN timezone(r.z, t) <> r.l THEN CAST(CAST(trino_fail(CAST(r.l AS VARCHAR) || ' does not exist in ' || r.z || ': clocks are set forward there, which is not supported by this emulator') AS VARCHAR) AS TIMESTAMPTZ)
    WHEN timezone(r.z, t - INTERVAL 1 HOUR) = r.l THEN t - INTERVAL 1 HOUR
    WHEN timezone(r.z, t - INTERVAL 30 MINUTE) = r.l THEN t - INTERVAL 30 MINUTE
    ELSE t END)[1])[1];
CREATE OR REPLACE MACRO trino_zoned_local(shown, zone) AS
  list_transform([{'l': shown, 'z': zone}], lambda r: trino_zoned(trino_moment(r.l, r.z), r.z))[1];
CREATE OR REPLACE MACRO trino_zoned_trunc_date(unit, x) AS
  list_transform([x], lambda v: trino_zoned_local(date_trunc(unit, v.zoned_local), v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_zoned_trunc_clock(unit, x) AS
  list_transform([x], lambda v:
    trino_zoned(v.zoned_instant - (v.zoned_local - CAST(date_trunc(unit, v.zoned_local) AS TIMESTAMP)), v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_zoned_add_date(x, days) AS
  list_transform([{'v': x, 'd': days}], lambda r: trino_zoned_local(r.v.zoned_local + r.d, r.v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_zoned_add_clock(x, duration) AS
  list_transform([{'v': x, 'd': duration}], lambda r: trino_zoned(r.v.zoned_instant + r.d, r.v.zoned_name))[1];
CREATE OR REPLACE MACRO trino_zoned_text(x) AS
  list_transform([x], lambda v: strftime(v.zoned_local, '%Y-%m-%d %H:%M:%S.%g') || ' ' || v.zoned_name)[1];
