// Commands: what runs a hub, and what it is set to.

import { type CommandGroup, LOG_LEVELS } from '../command.ts'
import { ANCHOR, PORT_MAX, TIMESTAMP_CA, whole } from '../command-options.ts'

export const hubCommands: CommandGroup = {
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
      load: () => import('../commands/up.ts'),
    },
    {
      name: 'health',
      summary: 'How the running hub is; exits with 1 unless it is well.',
      load: () => import('../commands/health.ts'),
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
          load: () => import('../commands/config-show.ts'),
        },
        {
          name: 'check',
          args: [{ name: '<file>', help: 'configuration file, YAML or JSON' }],
          summary: 'Checks a configuration file without a hub; exits with 2 if it would be refused.',
          load: () => import('../commands/config-check.ts'),
          isConfigured: true,
        },
      ],
    },
    {
      name: 'doctor',
      summary: 'Checks what a hub needs here, and says what to do.',
      options: [ANCHOR],
      load: () => import('../commands/doctor.ts'),
      isConfigured: true,
    },
  ],
}
