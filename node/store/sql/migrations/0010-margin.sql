ALTER TABLE streams ADD COLUMN margin_bps integer NOT NULL DEFAULT -1;
