ALTER TABLE streams ADD COLUMN part_target_ms integer;
