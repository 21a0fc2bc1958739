-- What people decided about a device. A field that somebody set is locked: later reports do not change it.

-- locked fields as "|hostname|vendor|"
ALTER TABLE devices ADD COLUMN locked TEXT NOT NULL DEFAULT '';
-- who set which field when, JSON
ALTER TABLE devices ADD COLUMN decided TEXT NOT NULL DEFAULT '{}';
-- NULL while nobody has said, else 0 or 1
ALTER TABLE devices ADD COLUMN authorized BIGINT;
ALTER TABLE devices ADD COLUMN importance TEXT NOT NULL DEFAULT 'normal';
-- JSON list
ALTER TABLE devices ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE devices ADD COLUMN location TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN notes TEXT NOT NULL DEFAULT '';
-- what people wrote, lower case, for the search box
ALTER TABLE devices ADD COLUMN own_words TEXT NOT NULL DEFAULT '';
