ALTER TABLE streams ADD COLUMN targets text NOT NULL DEFAULT '[]';
ALTER TABLE streams ADD COLUMN target_codes text NOT NULL DEFAULT '{}';
