// Commands: what is in the log, and how it is proved.

import type { CommandGroup } from '../command.ts'
import { ANCHOR, FROM, HISTORY, LIMIT_MAX, OUT, TIMESTAMP_CA, TO, VKEY, whole } from '../command-options.ts'

export const logCommands: CommandGroup = {
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
      load: () => import('../commands/log.ts'),
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
      load: () => import('../commands/verify.ts'),
    },
    {
      name: 'prove',
      args: [{ name: '<seq>', help: 'number of the entry' }],
      summary: 'Proves that an entry is in the log, as a file that anyone can verify offline.',
      options: [OUT, ANCHOR],
      load: () => import('../commands/prove.ts'),
    },
    {
      name: 'export',
      args: [{ name: '<dir>', help: 'new folder, or an earlier export of the same log' }],
      summary: 'Writes the log to a folder in the C2SP tlog-tiles layout.',
      options: [ANCHOR],
      load: () => import('../commands/export.ts'),
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
          options: [
            FROM,
            TO,
            {
              flags: '--whole',
              help: 'with all entries from before the period to behind it, so that none can have been left out',
            },
            VKEY,
            ANCHOR,
          ],
          load: () => import('../commands/compliance-export.ts'),
        },
      ],
    },
    {
      name: 'rebuild',
      summary: 'Derives every view again from the log and compares it with the stored one.',
      options: [{ flags: '--replace', help: 'store the derived rows where they differ; no hub may run' }],
      load: () => import('../commands/rebuild.ts'),
    },
  ],
}
