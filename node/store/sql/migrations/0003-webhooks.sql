CREATE TABLE webhook_endpoints (
  id text PRIMARY KEY,
  account text NOT NULL,
  url text NOT NULL,
  secret text NOT NULL,
  events text NOT NULL,
  created_at_ms bigint NOT NULL
);
CREATE INDEX webhook_endpoints_account ON webhook_endpoints (account);
CREATE TABLE webhook_events (
  endpoint text NOT NULL,
  id text NOT NULL,
  position bigserial NOT NULL,
  type text NOT NULL,
  body text NOT NULL,
  created_at_ms bigint NOT NULL,
  attempts integer NOT NULL,
  next_at_ms bigint NOT NULL,
  done_at_ms bigint,
  done_code text,
  PRIMARY KEY (endpoint, id)
);
CREATE INDEX webhook_events_waiting ON webhook_events (endpoint, position) WHERE done_at_ms IS NULL;
