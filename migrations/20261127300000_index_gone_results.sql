-- The companies of results that are gone, which `growd results --distinct --since` does not take for new ones. Other results are in
-- results_by_company. Without gone_at it would not be all that is read.
CREATE INDEX results_gone ON results (domain, company_name, first_seen_at, gone_at) WHERE gone_at IS NOT NULL;
