ALTER TABLE receipts ADD COLUMN written_off boolean NOT NULL DEFAULT false;
