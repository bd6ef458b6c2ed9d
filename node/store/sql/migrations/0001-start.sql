CREATE TABLE attempts (
  job text NOT NULL,
  attempt integer NOT NULL,
  node text NOT NULL,
  state text NOT NULL,
  assignment text NOT NULL,
  quote text NOT NULL,
  prices text NOT NULL,
  selection text NOT NULL,
  units numeric(78,0) NOT NULL,
  start_sequence integer NOT NULL,
  end_sequence integer,
  started_at_ms bigint NOT NULL,
  ended_at_ms bigint,
  end_code text,
  PRIMARY KEY (job, attempt)
);
CREATE TABLE candidate_tables (
  root text PRIMARY KEY,
  rows text NOT NULL,
  created_at_ms bigint NOT NULL
);
CREATE TABLE channel_totals (
  side text NOT NULL,
  channel text NOT NULL,
  exact numeric(78,0) NOT NULL,
  PRIMARY KEY (side, channel)
);
CREATE TABLE checks (
  job text NOT NULL,
  attempt integer NOT NULL,
  seq integer NOT NULL,
  "check" integer NOT NULL,
  checker text NOT NULL,
  verdict integer NOT NULL,
  code text,
  statement text NOT NULL,
  checked_at_ms bigint NOT NULL,
  PRIMARY KEY (job, attempt, seq, "check", checker)
);
CREATE TABLE collections (
  channel text PRIMARY KEY,
  collected numeric(78,0) NOT NULL,
  "transaction" text NOT NULL,
  block_number numeric(78,0) NOT NULL
);
CREATE TABLE idempotency_keys (
  key text PRIMARY KEY,
  fingerprint text NOT NULL,
  answer text,
  created_at_ms bigint NOT NULL
);
CREATE TABLE jobs (
  id text PRIMARY KEY,
  stream text NOT NULL,
  primitive text NOT NULL,
  part text NOT NULL,
  state text NOT NULL,
  spec text NOT NULL,
  attempt integer NOT NULL,
  excluded text NOT NULL,
  created_at_ms bigint NOT NULL,
  ended_at_ms bigint,
  end_code text
);
CREATE INDEX jobs_stream ON jobs (stream);
CREATE INDEX jobs_state ON jobs (state);
CREATE TABLE leases (
  stream text PRIMARY KEY,
  node text NOT NULL,
  job text NOT NULL,
  granted_at_ms bigint NOT NULL,
  last_frame_at_ms bigint NOT NULL
);
CREATE TABLE ledger_entries (
  side text NOT NULL,
  channel text NOT NULL,
  job text NOT NULL,
  attempt integer NOT NULL,
  seq numeric(78,0) NOT NULL,
  exact numeric(78,0) NOT NULL,
  receipt_hash text NOT NULL,
  state text NOT NULL,
  PRIMARY KEY (side, channel, job, attempt, seq)
);
CREATE INDEX ledger_entries_state ON ledger_entries (side, channel, state);
CREATE TABLE receipts (
  hash text PRIMARY KEY,
  stream text NOT NULL,
  job text NOT NULL,
  attempt integer NOT NULL,
  seq integer NOT NULL,
  kind text NOT NULL,
  node text NOT NULL,
  receipt text NOT NULL,
  leaves text NOT NULL,
  units numeric(78,0) NOT NULL,
  paid_units numeric(78,0) NOT NULL,
  exact numeric(78,0) NOT NULL,
  retail_exact numeric(78,0) NOT NULL,
  booked boolean NOT NULL,
  reported boolean NOT NULL,
  received_at_ms bigint NOT NULL
);
CREATE UNIQUE INDEX receipts_segment ON receipts (job, attempt, seq);
CREATE INDEX receipts_stream ON receipts (stream, received_at_ms);
CREATE TABLE seed_epochs (
  epoch integer PRIMARY KEY,
  secret text NOT NULL,
  commit text NOT NULL,
  used integer NOT NULL
);
CREATE TABLE selections (
  id text PRIMARY KEY,
  stream text NOT NULL,
  job text NOT NULL,
  receipt text NOT NULL,
  body text NOT NULL,
  table_root text NOT NULL,
  decided_at_ms bigint NOT NULL
);
CREATE INDEX selections_job ON selections (job);
CREATE TABLE standings (
  node text PRIMARY KEY,
  good numeric(78,0) NOT NULL,
  bad numeric(78,0) NOT NULL,
  passed integer NOT NULL,
  failed integer NOT NULL
);
CREATE TABLE stream_keys (
  key_hash text PRIMARY KEY,
  stream text NOT NULL,
  created_at_ms bigint NOT NULL,
  revoked_at_ms bigint
);
CREATE TABLE streams (
  id text PRIMARY KEY,
  slug text NOT NULL,
  buyer text NOT NULL,
  token text NOT NULL,
  ladder text NOT NULL,
  nonce text NOT NULL,
  price_ceilings text NOT NULL,
  retail text NOT NULL,
  quote text NOT NULL,
  unsigned_budget_bytes numeric(78,0) NOT NULL,
  unsigned_paid_bytes numeric(78,0) NOT NULL,
  region text,
  ingest_nodes text NOT NULL,
  state text NOT NULL,
  source text,
  renditions text,
  next_sequence integer NOT NULL,
  next_frame numeric(78,0) NOT NULL,
  next_epoch integer NOT NULL,
  created_at_ms bigint NOT NULL,
  ended_at_ms bigint,
  end_code text
);
CREATE UNIQUE INDEX streams_slug ON streams (slug);
CREATE INDEX streams_buyer ON streams (buyer, created_at_ms);
CREATE TABLE vouchers (
  side text NOT NULL,
  channel text NOT NULL,
  seq numeric(78,0) NOT NULL,
  voucher text NOT NULL,
  receipts_root text NOT NULL,
  receipt_hashes text NOT NULL,
  acknowledged boolean NOT NULL,
  PRIMARY KEY (side, channel)
);

