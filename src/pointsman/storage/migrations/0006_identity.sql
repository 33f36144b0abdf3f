-- Who people are to the provider of single sign-on, what came from its groups, and tokens that
-- work once: to finish a sign-in on a command line, and to set a password anew.

CREATE TABLE identity (
    issuer TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    person_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
) /* clustered */;

CREATE UNIQUE INDEX identity_by_person ON identity (person_id, issuer);

-- A role is the mapping's as long as it is the one that was granted at that moment.
CREATE TABLE mapped_grant (
    project_id BIGINT NOT NULL,
    person_id BIGINT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, person_id)
) /* clustered */;

CREATE INDEX mapped_grant_by_person ON mapped_grant (person_id, project_id);

CREATE TABLE mapped_member (
    group_name TEXT COLLATE "C" NOT NULL,
    person_id BIGINT NOT NULL,
    PRIMARY KEY (person_id, group_name)
) /* clustered */;

CREATE TABLE one_time_token (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    purpose TEXT COLLATE "C" NOT NULL,
    token_hash TEXT NOT NULL,
    person_id BIGINT NOT NULL,
    challenge TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) /* strict */;

CREATE INDEX one_time_token_by_person ON one_time_token (person_id, purpose);
