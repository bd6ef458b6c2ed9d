CREATE TABLE receipt_totals (
  stream text NOT NULL,
  job text NOT NULL,
  attempt integer NOT NULL,
  receipts integer NOT NULL,
  paid_units numeric NOT NULL,
  retail_exact numeric NOT NULL,
  PRIMARY KEY (job, attempt)
);
CREATE INDEX receipt_totals_stream ON receipt_totals (stream);
INSERT INTO receipt_totals
  SELECT stream, job, attempt, count(*)::integer, sum(paid_units), sum(retail_exact) FROM receipts GROUP BY stream, job, attempt;

CREATE TABLE check_totals (
  job text NOT NULL,
  attempt integer NOT NULL,
  checks integer NOT NULL,
  failed integer NOT NULL,
  PRIMARY KEY (job, attempt)
);
INSERT INTO check_totals
  SELECT job, attempt, count(*)::integer, (count(*) FILTER (WHERE verdict = 2))::integer FROM checks GROUP BY job, attempt;

CREATE INDEX receipts_written_off ON receipts (stream) WHERE written_off;
CREATE INDEX checks_failed ON checks (job, attempt, seq) WHERE verdict = 2;

DROP INDEX ledger_entries_state;
CREATE INDEX ledger_entries_unsettled ON ledger_entries (side, channel, state) WHERE state <> 'vouchered';

DROP INDEX receipts_stream;
CREATE INDEX receipts_stream ON receipts (stream, received_at_ms, hash);
CREATE INDEX receipts_unbooked ON receipts (hash) WHERE booked = false;
CREATE INDEX receipts_unreported ON receipts (received_at_ms, hash) WHERE reported = false;
