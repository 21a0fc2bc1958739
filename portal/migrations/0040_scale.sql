-- A page of a large inventory is read from an index, in its own order: for a type or class the latest activity
-- first, and for the two columns that people sort by most.
DROP INDEX devices_type;
DROP INDEX devices_class;
CREATE INDEX devices_type ON devices (type, last_seen DESC, id DESC);
CREATE INDEX devices_class ON devices (class, last_seen DESC, id DESC);
CREATE INDEX devices_name ON devices (lower(hostname), id);
CREATE INDEX devices_ip ON devices (ip_order, id);
