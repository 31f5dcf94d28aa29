// The table of contents of the CLI: every command written by hand, in the order in which the help shows them.

import type { CommandGroup } from './command.ts'
import { anyCommands } from './command-groups/any.ts'
import { careCommands } from './command-groups/care.ts'
import { hubCommands } from './command-groups/hub.ts'
import { logCommands } from './command-groups/log.ts'
import { peopleCommands } from './command-groups/people.ts'
import { repositoriesCommands } from './command-groups/repositories.ts'
import { rulesCommands } from './command-groups/rules.ts'

export const COMMANDS: readonly CommandGroup[] = [
  hubCommands,
  rulesCommands,
  peopleCommands,
  repositoriesCommands,
  logCommands,
  careCommands,
  anyCommands,
]
