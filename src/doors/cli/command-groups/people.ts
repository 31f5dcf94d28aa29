// Commands: what waits for people.

import type { CommandGroup } from '../command.ts'

export const peopleCommands: CommandGroup = {
  title: 'People:',
  commands: [
    {
      name: 'approvals',
      summary:
        'What waits for people: list, show, approve, deny; committees, delegations, standing approvals.',
      commands: [
        {
          name: 'create-key',
          args: [{ name: '<file>', help: 'new file for the secret key, which never leaves this machine' }],
          summary: 'Makes the key with which you sign your votes, and registers its public half.',
          options: [
            {
              flags: '--key <file>',
              help: 'a key that you have registered, which vouches for the new one',
            },
            { flags: '--existing', help: 'register the key that is in the file already' },
          ],
          load: () => import('../commands/approvals-create-key.ts'),
        },
      ],
    },
  ],
}
