ALTER TABLE attempts ADD COLUMN granted_bytes numeric(78,0) NOT NULL DEFAULT 0;
