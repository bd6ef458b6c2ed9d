CREATE TABLE audience_totals (
  stream text NOT NULL,
  job text NOT NULL,
  attempt integer NOT NULL,
  watched_ms numeric(78,0) NOT NULL,
  served_bytes numeric(78,0) NOT NULL,
  PRIMARY KEY (job, attempt)
);
CREATE INDEX audience_totals_stream ON audience_totals (stream);

CREATE TABLE audience_peaks (
  stream text PRIMARY KEY,
  viewers integer NOT NULL,
  at_ms bigint NOT NULL
);
