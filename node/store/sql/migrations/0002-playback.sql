ALTER TABLE streams ADD COLUMN playback text NOT NULL DEFAULT '{"type":"public"}';
