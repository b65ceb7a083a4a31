# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_growd_global_optspecs
    string join \n config= database= h/help V/version
end

function __fish_growd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_growd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_growd_using_subcommand
    set -l cmd (__fish_growd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c growd -n "__fish_growd_needs_command" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_needs_command" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_needs_command" -s V -l version -d 'Print version'
complete -c growd -n "__fish_growd_needs_command" -f -a "run" -d 'Run the daemon, in the foreground, until SIGTERM or SIGINT'
complete -c growd -n "__fish_growd_needs_command" -f -a "add" -d 'Start growing tasks, or change them'
complete -c growd -n "__fish_growd_needs_command" -f -a "pause" -d 'Stop growing tasks for now'
complete -c growd -n "__fish_growd_needs_command" -f -a "unpause" -d 'Continue growing paused tasks'
complete -c growd -n "__fish_growd_needs_command" -f -a "retry" -d 'Poll tasks again that ended short of their target'
complete -c growd -n "__fish_growd_needs_command" -f -a "remove" -d 'Stop managing tasks'
complete -c growd -n "__fish_growd_needs_command" -f -a "status" -d 'Show all tasks and the daemon'
complete -c growd -n "__fish_growd_needs_command" -f -a "show" -d 'Show one task in full: counters, resumes, recent events'
complete -c growd -n "__fish_growd_needs_command" -f -a "search" -d 'Start and manage searches that are larger than one task'
complete -c growd -n "__fish_growd_needs_command" -f -a "results" -d 'Print the companies that the tasks found'
complete -c growd -n "__fish_growd_needs_command" -f -a "watch" -d 'Show live progress, one line per task and per search, until all have ended or Ctrl-C'
complete -c growd -n "__fish_growd_needs_command" -f -a "check" -d 'Check config, database, token and service, and name the remedies'
complete -c growd -n "__fish_growd_needs_command" -f -a "backup" -d 'Write a consistent copy of the database while it is in use'
complete -c growd -n "__fish_growd_needs_command" -f -a "simulate" -d 'Run a local stand-in for the Extruct API, for trying things out'
complete -c growd -n "__fish_growd_needs_command" -f -a "demo" -d 'Show growd at work, without an account'
complete -c growd -n "__fish_growd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c growd -n "__fish_growd_using_subcommand run" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand run" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand add" -l csv -d 'Read the tasks from a CSV file, or from stdin if FILE is -. The first row names the columns: task_id and, optionally, target, chunk, budget and note. Other columns are ignored. --target, --chunk, --budget and --note apply to empty cells' -r -F
complete -c growd -n "__fish_growd_using_subcommand add" -l target -d 'The total number of results wanted' -r
complete -c growd -n "__fish_growd_using_subcommand add" -l chunk -d 'The largest number of results to request at a time, 1 to 250 [default: growth.chunk of the config]' -r
complete -c growd -n "__fish_growd_using_subcommand add" -l budget -d 'The most results to request in sum, for each task' -r
complete -c growd -n "__fish_growd_using_subcommand add" -l note -d 'A note for the operator; growd does not use it' -r
complete -c growd -n "__fish_growd_using_subcommand add" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand add" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand pause" -l state -d 'All tasks in this state, instead of TASK' -r
complete -c growd -n "__fish_growd_using_subcommand pause" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand pause" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand unpause" -l state -d 'All tasks in this state, instead of TASK' -r
complete -c growd -n "__fish_growd_using_subcommand unpause" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand unpause" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand unpause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand retry" -l state -d 'All tasks in this state, instead of TASK' -r
complete -c growd -n "__fish_growd_using_subcommand retry" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand retry" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand remove" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand remove" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand remove" -l results -d 'Delete the companies that were found, too; also those of tasks that were removed before'
complete -c growd -n "__fish_growd_using_subcommand remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand status" -l state -d 'Only the tasks in this state: pending, growing, reached, exhausted, capped, refused, stalled, failed, missing or paused' -r
complete -c growd -n "__fish_growd_using_subcommand status" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand status" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand status" -l json -d 'Print one JSON document'
complete -c growd -n "__fish_growd_using_subcommand status" -l all -d 'List all tasks, even if there are so many that only some are listed by default'
complete -c growd -n "__fish_growd_using_subcommand status" -s h -l help -d 'Print help'
complete -c growd -n "__fish_growd_using_subcommand show" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand show" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand show" -l json -d 'Print one JSON document'
complete -c growd -n "__fish_growd_using_subcommand show" -s h -l help -d 'Print help'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -f -a "add" -d 'Start a search, or change one'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -f -a "adopt" -d 'Make an existing task the first part of a new search'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -f -a "list" -d 'Show all searches'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -f -a "show" -d 'Show one search in full: its tasks, what was asked for, recent events'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -f -a "pause" -d 'Stop growing searches for now'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -f -a "unpause" -d 'Continue growing paused searches and their tasks'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -f -a "retry" -d 'Go on with searches that ended short of their target'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -f -a "remove" -d 'Stop managing searches'
complete -c growd -n "__fish_growd_using_subcommand search; and not __fish_seen_subcommand_from add adopt list show pause unpause retry remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l query -d 'What to search for, in words; - reads it from stdin. Needed for a new search' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l target -d 'The number of different companies wanted' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l criteria -d 'A JSON file of criteria that each company must meet, - for stdin; without it, the service infers them from the query' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l source -d 'Search only these: web_search, linkedin, maps, extruct_db; without it, the service chooses' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l exclude-domains -d 'Leave out these domains: a file as for `growd results --exclude-domains`, - for stdin' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l chunk -d 'The largest number of results to request at a time from a task, 1 to 250 [default: growth.chunk of the config]' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l budget -d 'The most results to request in sum, over all tasks of the search' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l note -d 'A note for the operator; growd does not use it' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -l dry-run -d 'Print what the search can cost, and change nothing'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from adopt" -l target -d 'The number of different companies wanted, with those that the task has found' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from adopt" -l chunk -d 'The largest number of results to request at a time from a task, 1 to 250 [default: growth.chunk of the config]' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from adopt" -l budget -d 'The most results to request in sum, over all tasks of the search' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from adopt" -l note -d 'A note for the operator; growd does not use it' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from adopt" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from adopt" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from adopt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from list" -l state -d 'Only the searches in this state: pending, growing, reached, exhausted, capped, refused, stalled, failed, missing or paused' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from list" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from list" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from show" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from show" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from show" -l json -d 'Print one JSON document'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from pause" -l state -d 'All searches in this state, instead of NAME' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from pause" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from pause" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from unpause" -l state -d 'All searches in this state, instead of NAME' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from unpause" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from unpause" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from unpause" -s h -l help -d 'Print help'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from retry" -l state -d 'All searches in this state, instead of NAME' -r
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from retry" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from retry" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from remove" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from remove" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from help" -f -a "add" -d 'Start a search, or change one'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from help" -f -a "adopt" -d 'Make an existing task the first part of a new search'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show all searches'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show one search in full: its tasks, what was asked for, recent events'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from help" -f -a "pause" -d 'Stop growing searches for now'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from help" -f -a "unpause" -d 'Continue growing paused searches and their tasks'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from help" -f -a "retry" -d 'Go on with searches that ended short of their target'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Stop managing searches'
complete -c growd -n "__fish_growd_using_subcommand search; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c growd -n "__fish_growd_using_subcommand results" -l search -d 'The companies of all tasks of these searches, and of each TASK' -r
complete -c growd -n "__fish_growd_using_subcommand results" -l format -d 'The format [default: that of the name of FILE (.csv, .jsonl, .xlsx); table on a terminal; csv otherwise]' -r -f -a "table\t''
csv\t''
jsonl\t''
xlsx\t''"
complete -c growd -n "__fish_growd_using_subcommand results" -l output -d 'The file to write, - for stdout (the default); a file is there in full or not at all' -r -F
complete -c growd -n "__fish_growd_using_subcommand results" -l min-relevance -d 'Only companies of this relevance or a higher one' -r
complete -c growd -n "__fish_growd_using_subcommand results" -l since -d 'Only results first seen since then: a time such as 2026-11-24T02:22:00Z, a date (UTC), or a span such as 24h. With --distinct, only companies of which none of these tasks has an earlier result, whatever --min-relevance leaves out, and whether it is gone by now' -r
complete -c growd -n "__fish_growd_using_subcommand results" -l exclude-domains -d 'Leave out these domains: a file with a domain or URL a line, or a CSV file such as an export, with the first column domain; - for stdin. # begins a comment. A page on a site of many companies, such as Facebook, is no company\'s domain: a warning names its line' -r -F
complete -c growd -n "__fish_growd_using_subcommand results" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand results" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand results" -l force -d 'Replace FILE if it exists'
complete -c growd -n "__fish_growd_using_subcommand results" -l distinct -d 'One row for each domain (for each company name where there is no domain): the most relevant one. A website on a site of many companies, such as Facebook or GitHub, is no domain'
complete -c growd -n "__fish_growd_using_subcommand results" -l explain -d 'Include why each criterion was graded as it was'
complete -c growd -n "__fish_growd_using_subcommand results" -l raw -d 'Write texts to CSV as they are. Without it, \' is put before a text that a spreadsheet would evaluate'
complete -c growd -n "__fish_growd_using_subcommand results" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand watch" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand watch" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand watch" -s h -l help -d 'Print help'
complete -c growd -n "__fish_growd_using_subcommand check" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand check" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand check" -l offline -d 'Send no request to the service'
complete -c growd -n "__fish_growd_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand backup" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand backup" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand simulate" -l listen -d 'The address to listen on; port 0 selects a free port' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l seed -d 'The seed of everything random' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l tasks -d 'Start with this many tasks that are done and can be resumed' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l task-results -d 'Initial results of each of the --tasks' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l pool -d 'Candidates that each task can discover [default: as many as the companies of its query need]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l fit-rate -d 'The share of evaluated candidates that match, 0 to 1 [default: 0.3 to 0.8, by the seed]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l rate -d 'Candidates discovered per simulated minute [default: 100]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l shape -d 'How the work of a run is distributed over its time' -r -f -a "steady\t'At a constant pace'
front-loaded\t'Fast at first, then slower and slower'
back-loaded\t'Slow at first, then faster and faster'
stalling\t'Half of the work in the first third, none in the second, the rest in the last'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l speed -d 'Simulated seconds per real second; at 0 only POST /_simulator/advance moves time' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l accepted-token -d 'The only token that is accepted [default: any]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l credits -d 'Credits of the account; a result costs one, and without credits, creates and resumes are answered 402 [default: 10000, never refused]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l cap -d 'The largest number of results of one task' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l cap-counts -d 'Which number counts towards the cap' -r -f -a "results\t'`num_results`: the delivered results'
desired\t'`desired_num_results`: the requested results'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l cap-excess -d 'What happens to a resume or create that asks for more than the cap allows. Clamped, a resume can grant 0' -r -f -a "clamped\t'It is reduced to what is allowed'
refused\t'The request is refused: with 422, or with 400 if the body alone does not show the excess'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l desired -d 'What a resume does to `desired_num_results`' -r -f -a "rises\t'It rises by what is granted'
set\t'It becomes `num_results` plus what is granted'
stays\t'It does not change; the task grows nevertheless'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l resume-while-running -d 'What happens to a resume of a task that is running' -r -f -a "queued\t'It is accepted and starts when the current run ends'
refused\t'It is answered 400'
added\t'It extends the current run'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l visibility-delay -d 'How long (real time) GETs show a task as it was before a resume, such as 500ms' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l falling -d 'When `num_results` falls' -r -f -a "never\t'Never'
when-done\t'At the end of each run'
at-looks\t'At every third poll of a task that is done'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l falling-by -d 'How many results are lost at each fall' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l refusal-body -d 'The form of `detail` in the 400 that refuses a resume' -r -f -a "string\t'A sentence'
object\t'An object with `error` and `message`'
list\t'A list of objects, as in a 422'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l yield -d 'The share of the requested results that a run delivers, in percent; it does not exhaust the pool' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l early-done -d 'The last part of a run\'s time in which `status` is already `done` and counters still rise, in percent' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l rises-after-done -d 'Candidates discovered per simulated minute after a run has ended; applies to runs that end from now on' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l reopens -d 'The part of a run\'s work, in percent, that a second run does: it starts by itself and turns `done` back into `in_progress`' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l reopens-after -d 'With --reopens: how long (simulated time) `status` is `done` before the second run' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l work-delay -d 'Time (simulated) from the response to a resume until its work starts; until then only `desired_num_results` changes' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l undelivered -d 'Results that `num_results` counts but `/results` does not contain, in percent' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l creates -d 'Whether creates are accepted, or refused with `plan_required`' -r -f -a "accepted\t'They are'
payment-required\t'They are answered 402'
forbidden\t'They are answered 403'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l create-delay -d 'How long (real time) the list lacks a task that a client created, and all later tasks, such as 5s' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l create-get-delay -d 'How long (real time) requests for a task that a client created are answered 404, such as 5s' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l create-fails -d 'The share of the tasks that clients create that fail part-way, in percent' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l create-exhausts -d 'The share of the tasks that clients create that are exhausted part-way, in percent' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l market -d 'Companies that match each query, each alias included [default: 300 to 1500, by the query; with a pool: its matches]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l aliases -d 'The share of a market, in percent, that is a company under a second name or with a second website; at most 50. Applies to tasks that are created from now on' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l without-website -d 'The share of companies without a website, in percent: exclusions do not apply to them. Applies to tasks that are created from now on' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l exclusions -d 'Whether a task leaves out the companies that it excludes' -r -f -a "applied\t'It does'
ignored\t'It finds them again, and shows its exclusions nevertheless'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l exclusions-excess -d 'What happens to domains to exclude beyond the 1000 that a task can have' -r -f -a "clamped\t'It is reduced to what is allowed'
refused\t'The request is refused: with 422, or with 400 if the body alone does not show the excess'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l scores -d 'The form of each score of a result' -r -f -a "graded\t'An object with `grade`, `explanation` and `sources`'
number\t'The grade alone, a number'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-limit -d 'The largest `limit` of the list of tasks' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-default-limit -d 'The default `limit` of the list of tasks; at most the largest' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l results-limit -d 'The largest `limit` of results' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l results-default-limit -d 'The default `limit` of results; at most the largest' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l results-order -d 'The order of results' -r -f -a "relevance\t'The most relevant first'
shuffled\t'A new random order at each request'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l results-lag -d 'How old (real time) results always are, such as 5s: they show the task as it was' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l limit-excess -d 'What happens to a larger `limit`' -r -f -a "clamped\t'It is reduced to what is allowed'
refused\t'The request is refused: with 422, or with 400 if the body alone does not show the excess'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-excess -d 'What happens to a larger `limit` of the list of tasks [default: as --limit-excess]' -r -f -a "clamped\t'It is reduced to what is allowed'
refused\t'The request is refused: with 422, or with 400 if the body alone does not show the excess'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-order -d 'The order of the list' -r -f -a "newest\t'The newest task first'
oldest\t'The oldest task first'
random\t'A fixed random order; a new task can appear anywhere in it'
shuffled\t'A new random order at each request'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-shows -d 'What the list shows of a task' -r -f -a "task\t'The task as a GET shows it'
progress\t'The task without criteria, data sources and exclusions'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-delay -d 'How long (real time) the list is served from a cache, without new tasks, such as 5s' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-lag -d 'How old (real time) the list always is, such as 5s: it shows each task as it was, and no task that is younger' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l strangers -d 'Tasks of colleagues that the list contains too, spread among the account\'s own. A GET of one is answered 404' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l fault -d 'Make a share of the requests meet this fault; can be repeated' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l chaos -d 'Make a share of all requests meet a fault of any kind, 0 to 1' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand simulate" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand simulate" -l stale-resume-answer -d 'The response to a resume shows the task as it was before'
complete -c growd -n "__fish_growd_using_subcommand simulate" -l chaos-account -d 'With --chaos: also 401, 402, 403 and 429, which stop a client for all its tasks'
complete -c growd -n "__fish_growd_using_subcommand simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand demo" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand demo" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "run" -d 'Run the daemon, in the foreground, until SIGTERM or SIGINT'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "add" -d 'Start growing tasks, or change them'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "pause" -d 'Stop growing tasks for now'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "unpause" -d 'Continue growing paused tasks'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "retry" -d 'Poll tasks again that ended short of their target'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "remove" -d 'Stop managing tasks'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "status" -d 'Show all tasks and the daemon'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "show" -d 'Show one task in full: counters, resumes, recent events'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "search" -d 'Start and manage searches that are larger than one task'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "results" -d 'Print the companies that the tasks found'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "watch" -d 'Show live progress, one line per task and per search, until all have ended or Ctrl-C'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "check" -d 'Check config, database, token and service, and name the remedies'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "backup" -d 'Write a consistent copy of the database while it is in use'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "simulate" -d 'Run a local stand-in for the Extruct API, for trying things out'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "demo" -d 'Show growd at work, without an account'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show search results watch check backup simulate demo help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c growd -n "__fish_growd_using_subcommand help; and __fish_seen_subcommand_from search" -f -a "add" -d 'Start a search, or change one'
complete -c growd -n "__fish_growd_using_subcommand help; and __fish_seen_subcommand_from search" -f -a "adopt" -d 'Make an existing task the first part of a new search'
complete -c growd -n "__fish_growd_using_subcommand help; and __fish_seen_subcommand_from search" -f -a "list" -d 'Show all searches'
complete -c growd -n "__fish_growd_using_subcommand help; and __fish_seen_subcommand_from search" -f -a "show" -d 'Show one search in full: its tasks, what was asked for, recent events'
complete -c growd -n "__fish_growd_using_subcommand help; and __fish_seen_subcommand_from search" -f -a "pause" -d 'Stop growing searches for now'
complete -c growd -n "__fish_growd_using_subcommand help; and __fish_seen_subcommand_from search" -f -a "unpause" -d 'Continue growing paused searches and their tasks'
complete -c growd -n "__fish_growd_using_subcommand help; and __fish_seen_subcommand_from search" -f -a "retry" -d 'Go on with searches that ended short of their target'
complete -c growd -n "__fish_growd_using_subcommand help; and __fish_seen_subcommand_from search" -f -a "remove" -d 'Stop managing searches'
