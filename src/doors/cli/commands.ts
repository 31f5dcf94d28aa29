// The table of contents of the CLI: every command written by hand, with the file that it runs.

import type { CommandGroup, CommandOption } from './command.ts'
import { LOG_LEVELS } from './command.ts'
import { usage } from './failure.ts'
import { numberOf } from './values.ts'

const PORT_MAX = 65_535
const LIMIT_MAX = 10_000
const WATCH_MAX_SECONDS = 3600
const DAYS_MAX = 366

function whole(what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = numberOf(text, what)
    if (!Number.isInteger(value) || value < min || value > max)
      throw usage(`${what} is a whole number from ${min} to ${max}`)
    return value
  }
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$/

function time(what: string): (text: string) => string {
  return (text) => {
    if (!TIME.test(text) || Number.isNaN(Date.parse(text)))
      throw usage(`${what} must be a time in UTC such as 2026-01-31T00:00:00Z`)
    return text
  }
}

const ANCHOR: CommandOption = {
  flags: '--anchor <path>',
  help: 'where the anchor is, if not at its default place',
}
const VKEY: CommandOption = {
  flags: '--vkey <key>',
  help: 'the verifier key that you trust; default: the one beside the log',
}
const KEYS: CommandOption = {
  flags: '--keys <dir>',
  help: "folder with the hub's *.key files; default: those of the backup",
}
const TIMESTAMP_CA: CommandOption = {
  flags: '--timestamp-ca <file>',
  help: 'certificates (PEM) of the timestamping authority that you trust',
  env: 'POLITY_TIMESTAMP_CA',
}
const OUT: CommandOption = { flags: '--out <file>', help: 'write to this file instead of stdout' }
const RULES: CommandOption = {
  flags: '--rules <dir>',
  help: 'folder with the rules (default: those that come along)',
}
const INPUT: CommandOption = { flags: '--input <json>', help: 'JSON, @FILE or - for stdin; default: {}' }

const FROM: CommandOption = {
  flags: '--from <time>',
  help: 'from this time on, such as 2026-01-31T00:00:00Z',
  parse: time('--from'),
}
const TO: CommandOption = { flags: '--to <time>', help: 'before this time', parse: time('--to') }
const HISTORY = {
  name: '[history]',
  help: 'data folder or exported folder; default: the running hub, or the folder of --data',
}

export const COMMANDS: readonly CommandGroup[] = [
  {
    title: 'Hub:',
    commands: [
      {
        name: 'up',
        summary: 'Runs a hub here, until SIGTERM or Ctrl-C.',
        options: [
          {
            flags: '--port <n>',
            help: 'port to listen on, 0 for any free one (default: 7070)',
            env: 'POLITY_PORT',
            parse: whole('--port', 0, PORT_MAX),
          },
          { flags: '--host <host>', help: 'address to listen on (default: 127.0.0.1)', env: 'POLITY_HOST' },
          { flags: '--anchor <path>', help: 'file outside of the data that remembers what was signed' },
          { flags: '--policy <dir>', help: 'policy bundle (default: the starter bundle)' },
          {
            flags: '--signer-command <json>',
            help: 'program that holds the signing key, as a JSON list of words (docs/keys.md)',
            env: 'POLITY_SIGNER_COMMAND',
          },
          {
            flags: '--signer-key <key>',
            help: 'its public key: base64 of 32 bytes, or a verifier key of the log',
            env: 'POLITY_SIGNER_KEY',
          },
          {
            flags: '--ml-dsa',
            help: 'cosign retained checkpoints with ML-DSA-44 too (env: POLITY_ML_DSA=1)',
          },
          {
            flags: '--timestamp-url <url>',
            help: 'authority that stamps retained checkpoints (RFC 3161)',
            env: 'POLITY_TIMESTAMP_URL',
          },
          TIMESTAMP_CA,
          {
            flags: '--log-level <level>',
            help: 'how much to log on stderr (default: warn)',
            choices: LOG_LEVELS,
          },
          {
            flags: '--public-log',
            help: 'show entries and proofs to everybody, without a token (env: POLITY_LOG_PUBLIC=1)',
          },
          { flags: '--no-mirror', help: 'do not analyse the repository this is started in' },
        ],
        load: () => import('./commands/up.ts'),
      },
      {
        name: 'health',
        summary: 'How the running hub is; exits with 1 unless it is well.',
        load: () => import('./commands/health.ts'),
      },
      {
        name: 'config',
        summary: 'The configuration: show, check, rehearse, propose, reload, roll-back.',
        commands: [
          {
            name: 'show',
            summary: 'Shows what is in force: at the running hub, or at the next start here.',
            options: [
              { flags: '--origin', help: 'show where each value comes from' },
              { flags: '--next', help: 'what the next start here would take, also while a hub runs' },
            ],
            load: () => import('./commands/config-show.ts'),
          },
          {
            name: 'check',
            args: [{ name: '<file>', help: 'configuration file, YAML or JSON' }],
            summary: 'Checks a configuration file without a hub; exits with 2 if it would be refused.',
            load: () => import('./commands/config-check.ts'),
            isConfigured: true,
          },
        ],
      },
      {
        name: 'doctor',
        summary: 'Checks what a hub needs here, and says what to do.',
        options: [ANCHOR],
        load: () => import('./commands/doctor.ts'),
      },
    ],
  },
  {
    title: 'Rules:',
    commands: [
      {
        name: 'gate',
        summary:
          'The rules of the gate: load, rules, mode, graduation; test, check; explain, replay, what-if.',
        commands: [
          {
            name: 'test',
            args: [{ name: '<file...>', help: 'unit tests of rules, in YAML' }],
            summary: 'Runs unit tests of rules without a hub; exits with 1 if a case fails.',
            options: [RULES],
            load: () => import('./commands/gate-test.ts'),
          },
          {
            name: 'check',
            summary: 'Finds what is certainly wrong with rules, without a hub; exits with 1 on an error.',
            options: [RULES],
            load: () => import('./commands/gate-check.ts'),
          },
          {
            name: 'replay',
            args: [HISTORY],
            summary:
              'Judges every decision again from what was stored; exits with 5 at the first that does not agree.',
            options: [FROM, TO, VKEY, ANCHOR],
            load: () => import('./commands/gate-replay.ts'),
          },
          {
            name: 'what-if',
            args: [{ name: '<rules>', help: 'folder with other rules' }, HISTORY],
            summary: 'Which decisions would have come out otherwise under other rules.',
            options: [FROM, TO, VKEY, ANCHOR],
            load: () => import('./commands/gate-what-if.ts'),
          },
          {
            name: 'load',
            args: [
              { name: '<dir>', help: 'folder of the bundle: one .cedarschema and any number of .cedar' },
            ],
            summary:
              'Checks a policy bundle, rehearses it on past decisions, puts it in force, watches, and takes it back if it does harm.',
            options: [
              { flags: '--rehearse', help: 'check and rehearse it only; nothing changes' },
              {
                flags: '--watch <seconds>',
                help: 'for how long it is watched (default: 0, one look)',
                parse: whole('--watch', 0, WATCH_MAX_SECONDS),
              },
              {
                flags: '--denied-share-max <percent>',
                help: 'take it back when a larger share of actions is denied (default: 50)',
                parse: whole('--denied-share-max', 0, 100),
              },
              {
                flags: '--accept-lock-out',
                help: 'load it although it would keep you from loading another one',
              },
            ],
            load: () => import('./commands/gate-load.ts'),
          },
          {
            name: 'mode',
            args: [
              {
                name: '[mode]',
                help: 'log-only, enforce-critical or enforce; without any option: of the hub',
              },
            ],
            summary: 'Shows how far the rules bind, or changes it: one thing at a time.',
            options: [
              { flags: '--action <prefix>', help: 'of these actions only, such as state or state.put' },
              { flags: '--policy <id=state>', help: 'a policy, as draft, shadow or enforced' },
              {
                flags: '--share <percent>',
                help: 'bind the rules for this share only; who is in it stays in it as it grows',
                parse: whole('--share', 0, 100),
              },
              {
                flags: '--by <what>',
                help: 'what is chosen for the share (default: principal)',
                choices: ['principal', 'request'],
              },
              { flags: '--seed <text>', help: 'choose others for the share' },
              {
                flags: '--remove',
                help: 'take back what was said of --action, of --policy ID, or (with neither) of the share',
              },
              { flags: '--reason <text>', help: 'why, for the log' },
            ],
            load: () => import('./commands/gate-mode.ts'),
          },
          {
            name: 'graduation',
            summary:
              'Shows what the rules would have stopped and let pass: by policy, principal, action and day.',
            options: [
              {
                flags: '--days <n>',
                help: 'how many days back (default: 7)',
                parse: whole('--days', 1, DAYS_MAX),
              },
            ],
            load: () => import('./commands/gate-graduation.ts'),
          },
        ],
      },
    ],
  },
  {
    title: 'Repositories:',
    commands: [
      {
        name: 'mirror',
        args: [{ name: '<path...>', help: 'git repositories, or folders in them' }],
        summary:
          'Analyses git repositories, attests the result, and shows health, grade, trend and findings.',
        options: [
          {
            flags: '--as-of <time>',
            help: 'judge as of this time, such as 2026-01-31T00:00:00Z (default: the last commit)',
            parse: time('--as-of'),
          },
        ],
        load: () => import('./commands/mirror.ts'),
      },
    ],
  },
  {
    title: 'Log:',
    commands: [
      {
        name: 'log',
        summary: 'Shows entries of the log, the last ones by default.',
        options: [
          { flags: '--follow', help: 'go on with new entries as they come' },
          { flags: '--type <type>', help: 'only entries of this type, such as action.decided@1' },
          {
            flags: '--limit <n>',
            help: 'how many of the last entries (default: 20)',
            parse: whole('--limit', 1, LIMIT_MAX),
          },
          ANCHOR,
        ],
        load: () => import('./commands/log.ts'),
      },
      {
        name: 'verify',
        args: [
          {
            name: '[target]',
            help: 'data folder, exported folder, URL of a hub, or file with a proof; default: the folder of --data',
          },
        ],
        summary:
          'Checks a log or a proof from its bytes, with the public key alone; exits with 5 if it is not what was signed.',
        options: [VKEY, TIMESTAMP_CA, ANCHOR],
        load: () => import('./commands/verify.ts'),
      },
      {
        name: 'prove',
        args: [{ name: '<seq>', help: 'number of the entry' }],
        summary: 'Proves that an entry is in the log, as a file that anyone can verify offline.',
        options: [OUT, ANCHOR],
        load: () => import('./commands/prove.ts'),
      },
      {
        name: 'export',
        args: [{ name: '<dir>', help: 'new folder, or an earlier export of the same log' }],
        summary: 'Writes the log to a folder in the C2SP tlog-tiles layout.',
        options: [ANCHOR],
        load: () => import('./commands/export.ts'),
      },
      {
        name: 'compliance',
        summary: 'What a period has to answer for: report, publish, export.',
        commands: [
          {
            name: 'export',
            args: [{ name: '<dir>', help: 'new folder' }, HISTORY],
            summary:
              'Writes the report of a period with every entry behind it and its proof; `polity verify` checks it.',
            options: [FROM, TO, VKEY, ANCHOR],
            load: () => import('./commands/compliance-export.ts'),
          },
        ],
      },
      {
        name: 'rebuild',
        summary: 'Derives every view again from the log and compares it with the stored one.',
        options: [{ flags: '--replace', help: 'store the derived rows where they differ; no hub may run' }],
        load: () => import('./commands/rebuild.ts'),
      },
    ],
  },
  {
    title: 'Care:',
    commands: [
      {
        name: 'backup',
        args: [{ name: '<dir>', help: 'new folder, or an earlier backup of the same log' }],
        summary: 'Copies everything that a hub cannot derive again to a folder, while it runs.',
        options: [
          { flags: '--with-keys', help: "put the hub's secret keys in, too: whoever has them is the hub" },
          ANCHOR,
        ],
        load: () => import('./commands/backup.ts'),
      },
      {
        name: 'restore',
        args: [{ name: '<backup>', help: 'folder that `polity backup` wrote' }],
        summary: 'Makes the new folder of --data from a backup, checked to the last byte, or nothing.',
        options: [KEYS],
        load: () => import('./commands/restore.ts'),
      },
      {
        name: 'import',
        args: [{ name: '<export>', help: 'folder that `polity export` wrote' }],
        summary: 'Makes the new folder of --data from a public export, with every seq, hash and signature.',
        options: [VKEY, { ...KEYS, help: "folder with the hub's *.key files, to go on with the log" }],
        load: () => import('./commands/import.ts'),
      },
      {
        name: 'recover',
        summary: 'After a loss: makes the new folder of --data, whose log says what it goes on from.',
        options: [
          { flags: '--from <path>', help: 'what is left: a data folder, a backup or an export' },
          { flags: '--checkpoint <file>', help: 'a signed checkpoint of the old log that somebody kept' },
          { ...ANCHOR, help: 'where the anchor of the new log is to be, if not at its default place' },
        ],
        load: () => import('./commands/recover.ts'),
      },
      {
        name: 'rescue',
        summary:
          "Takes the hub of --data back: revokes every owner's token and issues a new one; no hub may run.",
        options: [
          { flags: '--reason <text>', help: 'why, for the log' },
          {
            flags: '--starter-rules',
            help: 'start over with the starter rules, too, for everything and everybody',
          },
          ANCHOR,
        ],
        load: () => import('./commands/rescue.ts'),
      },
    ],
  },
  {
    title: 'Any action or query:',
    commands: [
      {
        name: 'action',
        args: [{ name: '<name>', help: 'name of the action, such as state.put' }],
        summary: 'Asks for any action by name.',
        options: [INPUT],
        load: () => import('./commands/action.ts'),
      },
      {
        name: 'query',
        args: [{ name: '<name>', help: 'name of the query, such as state.list' }],
        summary: 'Asks any query by name.',
        options: [INPUT],
        load: () => import('./commands/query.ts'),
      },
    ],
  },
]
