// Commands: what keeps the data of a hub, and brings it back.

import type { CommandGroup } from '../command.ts'
import { ANCHOR, KEYS, VKEY } from '../command-options.ts'

export const careCommands: CommandGroup = {
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
      load: () => import('../commands/backup.ts'),
    },
    {
      name: 'restore',
      args: [{ name: '<backup>', help: 'folder that `polity backup` wrote' }],
      summary: 'Makes the new folder of --data from a backup, checked to the last byte, or nothing.',
      options: [KEYS],
      load: () => import('../commands/restore.ts'),
    },
    {
      name: 'import',
      args: [{ name: '<export>', help: 'folder that `polity export` wrote' }],
      summary: 'Makes the new folder of --data from a public export, with every seq, hash and signature.',
      options: [VKEY, { ...KEYS, help: "folder with the hub's *.key files, to go on with the log" }],
      load: () => import('../commands/import.ts'),
    },
    {
      name: 'recover',
      summary: 'After a loss: makes the new folder of --data, whose log says what it goes on from.',
      options: [
        { flags: '--from <path>', help: 'what is left: a data folder, a backup or an export' },
        { flags: '--checkpoint <file>', help: 'a signed checkpoint of the old log that somebody kept' },
        { ...ANCHOR, help: 'where the anchor of the new log is to be, if not at its default place' },
      ],
      load: () => import('../commands/recover.ts'),
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
      load: () => import('../commands/rescue.ts'),
    },
  ],
}
