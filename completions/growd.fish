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
complete -c growd -n "__fish_growd_needs_command" -f -a "watch" -d 'Show live progress, one line per task, until all tasks have ended or Ctrl-C'
complete -c growd -n "__fish_growd_needs_command" -f -a "check" -d 'Check config, database, token and service, and name the remedies'
complete -c growd -n "__fish_growd_needs_command" -f -a "backup" -d 'Write a consistent copy of the database while it is in use'
complete -c growd -n "__fish_growd_needs_command" -f -a "simulate" -d 'Run a local stand-in for the Extruct API, for trying things out'
complete -c growd -n "__fish_growd_needs_command" -f -a "demo" -d 'Show growd at work, without an account'
complete -c growd -n "__fish_growd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c growd -n "__fish_growd_using_subcommand run" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand run" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand add" -l csv -d 'Read the tasks from a CSV file, or from stdin if FILE is -. The first row names the columns: task_id and, optionally, target, chunk and note. Other columns are ignored. --target, --chunk and --note apply to empty cells' -r -F
complete -c growd -n "__fish_growd_using_subcommand add" -l target -d 'The total number of results wanted' -r
complete -c growd -n "__fish_growd_using_subcommand add" -l chunk -d 'The largest number of results to request at a time, 1 to 250 [default: growth.chunk of the config]' -r
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
complete -c growd -n "__fish_growd_using_subcommand unpause" -s h -l help -d 'Print help'
complete -c growd -n "__fish_growd_using_subcommand retry" -l state -d 'All tasks in this state, instead of TASK' -r
complete -c growd -n "__fish_growd_using_subcommand retry" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand retry" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand remove" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand remove" -l database -d 'The database file [default: database.path of the config]' -r -F
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
complete -c growd -n "__fish_growd_using_subcommand simulate" -l listen -d 'Where to listen; port 0 takes any free one' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l seed -d 'From which all that is left to chance follows' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l speed -d 'Simulated seconds in a real one; at 0 only POST /_simulator/advance moves time' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l tasks -d 'Start with this many searches that are done and can be resumed' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l task-results -d 'Results that each search of --tasks has at the start' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l market -d 'Companies that fit each query in all [default: 300 to 1500, by the query]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l pool -d 'Candidates that each search has in all [default: what the companies of its query take]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l fit-rate -d 'Share of evaluated candidates that fit, 0 to 1 [default: 0.3 to 0.8, by the seed]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l rate -d 'Candidates discovered in a simulated minute [default: 100]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l shape -d 'How the work of a run is spread over its time' -r -f -a "steady\t'The same pace throughout'
front-loaded\t'Fast first, slower and slower then'
back-loaded\t'Slow first, faster and faster then'
stalling\t'Half of the work in the first third, then nothing for a third, then the rest'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l accepted-token -d 'The one token to accept [default: any]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l credits -d 'Credits of the account; a result costs one, and with none left more is refused with 402 [default: plenty]' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l cap -d 'The most results one task can have' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l cap-counts -d 'What is held against the cap' -r -f -a "results\t'`num_results`: what was delivered'
desired\t'`desired_num_results`: what was asked for'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l cap-excess -d 'What becomes of a resume that asks for more than the cap leaves' -r -f -a "clamped\t'It is accepted, and grants what is left, which can be nothing'
refused\t'It is answered 400'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l desired -d 'What a resume does to `desired_num_results`' -r -f -a "rises\t'It rises by what is granted'
set\t'It becomes `num_results` plus what is granted'
stays\t'It stays; the search grows all the same'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l resume-while-running -d 'What becomes of a resume of a search that still runs' -r -f -a "queued\t'It is accepted and starts when the run is over'
refused\t'It is answered 400'
added\t'It makes the run that is under way longer'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l visibility-delay -d 'For how long (real time) GETs show a task as it was before a resume, such as 500ms' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l falling -d 'Whether and when `num_results` falls' -r -f -a "never\t'Never'
when-done\t'Each time a run is over'
at-looks\t'Now and then, between two looks at a task that is done: at every third look'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l falling-by -d 'By how much it falls each time' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l refusal-body -d 'The form of `detail` in the 400 that refuses a resume' -r -f -a "string\t'A sentence'
object\t'An object with `error` and `message`'
list\t'A list of objects, as in a 422'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l yield -d 'How much of what is asked for a run brings, in percent' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l early-done -d 'The last part of a run\'s time in which its status says `done` already, in percent' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l rises-after-done -d 'Candidates that are still discovered in each simulated minute after a run is over' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l reopens -d 'The last part of a run\'s work that waits for `done` to return to `in_progress`, in percent' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l reopens-after -d 'With --reopens: how long (simulated time) the status says `done` until then' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l work-delay -d 'How much later (simulated time) than the answer to a resume its work begins; until then only `desired_num_results` differs' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l undelivered -d 'Results that `num_results` counts and `/results` does not contain, in percent' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l exclusions-excess -d 'What becomes of domains to exclude beyond the 1000 that a task can have' -r -f -a "clamped\t'What is allowed is taken, the rest is left out'
refused\t'The request is refused: 422, or 400 where it takes more than a look at the body to know'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l scores -d 'The form of each score of a result' -r -f -a "graded\t'An object with `grade`, `explanation` and `sources`'
number\t'The grade alone, a number'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-limit -d 'The largest `limit` of the list of tasks' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-default-limit -d 'The `limit` of the list where none is given' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l results-limit -d 'The largest `limit` of results' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l results-default-limit -d 'The `limit` of results where none is given' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l limit-excess -d 'What becomes of a larger `limit`' -r -f -a "clamped\t'What is allowed is taken, the rest is left out'
refused\t'The request is refused: 422, or 400 where it takes more than a look at the body to know'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-order -d 'The order of the list' -r -f -a "newest\t'The newest task first'
oldest\t'The oldest task first'
random\t'An order that has nothing to do with the tasks; a new one can stand anywhere in it'
shuffled\t'Another order at each request'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-shows -d 'What the list shows of a task' -r -f -a "task\t'The task as a GET shows it'
progress\t'The same without criteria, data sources and exclusions'"
complete -c growd -n "__fish_growd_using_subcommand simulate" -l list-delay -d 'For how long (real time) the list stays as it was when it was last made, such as 5s' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l chaos -d 'Let a share of requests meet a fault of any kind, 0 to 1' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l fault -d 'Let a share of requests meet this fault; can be repeated' -r
complete -c growd -n "__fish_growd_using_subcommand simulate" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand simulate" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand simulate" -l stale-resume-answer -d 'The answer to a resume shows the task as it was before'
complete -c growd -n "__fish_growd_using_subcommand simulate" -l chaos-account -d 'With --chaos: also 401, 402, 403 and 429, which stop a client for all its tasks'
complete -c growd -n "__fish_growd_using_subcommand simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand demo" -l config -d 'The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]' -r -F
complete -c growd -n "__fish_growd_using_subcommand demo" -l database -d 'The database file [default: database.path of the config]' -r -F
complete -c growd -n "__fish_growd_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "run" -d 'Run the daemon, in the foreground, until SIGTERM or SIGINT'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "add" -d 'Start growing tasks, or change them'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "pause" -d 'Stop growing tasks for now'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "unpause" -d 'Continue growing paused tasks'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "retry" -d 'Poll tasks again that ended short of their target'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "remove" -d 'Stop managing tasks'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "status" -d 'Show all tasks and the daemon'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "show" -d 'Show one task in full: counters, resumes, recent events'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "watch" -d 'Show live progress, one line per task, until all tasks have ended or Ctrl-C'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "check" -d 'Check config, database, token and service, and name the remedies'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "backup" -d 'Write a consistent copy of the database while it is in use'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "simulate" -d 'Run a local stand-in for the Extruct API, for trying things out'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "demo" -d 'Show growd at work, without an account'
complete -c growd -n "__fish_growd_using_subcommand help; and not __fish_seen_subcommand_from run add pause unpause retry remove status show watch check backup simulate demo help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
