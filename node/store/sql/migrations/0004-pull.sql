ALTER TABLE streams ADD COLUMN pull text;
ALTER TABLE streams ADD COLUMN pull_code text;
