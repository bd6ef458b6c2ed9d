ALTER TABLE streams ADD COLUMN passthrough boolean NOT NULL DEFAULT false;
