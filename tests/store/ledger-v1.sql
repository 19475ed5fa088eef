-- A ledger of version 1, as it was written then. Never change it.
CREATE TABLE entry (seq BIGINT PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL, previous TEXT NOT NULL UNIQUE, hash TEXT NOT NULL UNIQUE);
CREATE TABLE run (entry BIGINT, position BIGINT, id TEXT, folder TEXT, source TEXT, location TEXT, fingerprint TEXT, version TEXT, findings TEXT, record TEXT, samples BIGINT, PRIMARY KEY (entry, position));
CREATE TABLE finding (entry BIGINT, position BIGINT, run TEXT, sample TEXT, given_label TEXT, kind TEXT, suggested_label TEXT, suspicion DOUBLE PRECISION, kind_probability DOUBLE PRECISION, suggestion_confidence DOUBLE PRECISION, q_value DOUBLE PRECISION, flagged BIGINT, PRIMARY KEY (entry, position));
CREATE TABLE decision (entry BIGINT, position BIGINT, run TEXT, sample TEXT, action TEXT, label TEXT, reason TEXT, reviewer TEXT, decided_at TEXT, PRIMARY KEY (entry, position));
CREATE TABLE version (entry BIGINT, position BIGINT, id TEXT, fingerprint TEXT, source TEXT, location TEXT, modality TEXT, files TEXT, rows_artifact TEXT, files_artifact TEXT, parent TEXT, plan TEXT, run TEXT, samples BIGINT, PRIMARY KEY (entry, position));
CREATE INDEX decision_run ON decision (run);
CREATE INDEX version_id ON version (id);
CREATE TABLE migration (version BIGINT, applied_at TEXT);
INSERT INTO migration (version, applied_at) VALUES (1, '2024-05-01T09:00:00+00:00');
INSERT INTO entry (seq, at, who, kind, digest, previous, hash) VALUES (1, '2024-05-01T10:00:01.000000+00:00', 'ann', 'run', 'f74eafa4c7ba7fd1d594d69a38c44d685f0abdaef5bcddc491ca66c02a35a885', '0000000000000000000000000000000000000000000000000000000000000000', 'f82123739aa2955b672b4105ab43c221b9c56fa282a10ad7ca5632962b4364d0');
INSERT INTO run (entry, position, id, folder, source, location, fingerprint, version, samples) VALUES (1, 0, '7e9c0b7c064d2fa6', '/data/run', 'train.csv', '/data/train.csv', '39f016518f079b64c5adac01a7581e09', '9599b4e32b5493672b1085a72b009bba', 200);
INSERT INTO finding (entry, position, run, sample, given_label, kind, suggested_label, suspicion, flagged) VALUES (1, 0, '7e9c0b7c064d2fa6', 's1', 'cat', 'mislabelled', 'dog', 0.91, 1);
INSERT INTO finding (entry, position, run, sample, given_label, kind, suspicion, flagged) VALUES (1, 1, '7e9c0b7c064d2fa6', 's2', 'dog', 'outlier', 0.5, 0);
INSERT INTO entry (seq, at, who, kind, digest, previous, hash) VALUES (2, '2024-05-01T10:00:02.000000+00:00', 'ann', 'decision', '9548c8743ba56e70cbd9b8f18b7004539730058a42dfa7e0820ae624e7401e5d', 'f82123739aa2955b672b4105ab43c221b9c56fa282a10ad7ca5632962b4364d0', 'c15746e516b14380c8dd1bd3bc9bb74e3537bbf277cc3d58a0c6c7860243ed9c');
INSERT INTO decision (entry, position, run, sample, action, label, reason, reviewer, decided_at) VALUES (2, 0, '7e9c0b7c064d2fa6', 's1', 'relabel', 'dog', 'it barks', 'ann', '2024-05-01T10:00:00.000000+00:00');
INSERT INTO entry (seq, at, who, kind, digest, previous, hash) VALUES (3, '2024-05-01T10:00:03.000000+00:00', 'ann', 'version', '3f65415b7f8e1dd4a95315fac267372c49ab587e150d18742564956bfd9d09f0', 'c15746e516b14380c8dd1bd3bc9bb74e3537bbf277cc3d58a0c6c7860243ed9c', 'ea651acb7cbf457064ee485bbfc274f7f0484c7fd1040268421cc4bcb0598634');
INSERT INTO version (entry, position, id, source, modality, samples) VALUES (3, 0, '9599b4e32b5493672b1085a72b009bba', 'train.csv', 'table', 200);
