// Builds the commander program: global options, the table of commands, and what is derived from the catalog.

import process from 'node:process'
import { Argument, Command, type CommanderError, Help, Option } from 'commander'
import type { PolityError } from '../../kernel/errors.ts'
import type { BuiltIn, CommandOption, Run } from './command.ts'
import { COMMANDS } from './commands.ts'
import { DERIVED, DERIVED_BELOW, type DerivedWord } from './contracts.ts'
import { usage } from './failure.ts'
import type { CommandShape, Field } from './shape.ts'
import { SIGNED_ACTIONS } from './signed-actions.ts'
import { padText, wrapText } from './text-width.ts'
import { CREATE_TOKEN } from './token-action.ts'

/** Runs one command of the line; kept by whoever builds the program. */
export type Perform = (
  run: Run,
  command: Command,
  args: readonly string[],
  isConfigured?: boolean,
) => Promise<void>

const DERIVED_TITLE = 'From the catalog:'
const HELP_WIDTH_MAX = 110
/** Of a pipe, which is mostly a pager. */
const HELP_WIDTH_USUAL = 80
/** With less room than this beside them, descriptions stand below what they describe. */
const DESCRIPTION_WIDTH_MIN = 32
const DESCRIPTION_INDENT = 6
/** What is longer stands in a line of its own, and takes no room from the descriptions of all others. */
const TERM_WIDTH_MAX = 30
const USAGE_INDENT = ' '.repeat('Usage: '.length)

/**
 * The line as it is parsed: `help state put` asks what `state put --help` asks. Help about a word that is
 * no command is an error like the word itself, which the program finds when nothing else is on the line.
 */
export function plainLine(program: Command, line: readonly string[]): readonly string[] {
  const { operands, unknown } = bareProgram('').parseOptions([...line])
  const isHelp = operands[0] === 'help'
  if (!isHelp && !unknown.includes('--help')) return line
  const words = isHelp ? operands.slice(1) : operands
  let at = program
  for (const [index, word] of words.entries()) {
    const next = at.commands.find((each) => each.name() === word)
    // What follows the words of a command are its arguments.
    if (next === undefined) return isGroup(at) ? words.slice(0, index + 1) : asHelp(words.slice(0, index))
    at = next
  }
  return asHelp(words)
}

const isGroup = (command: Command): boolean =>
  command.commands.length > 0 && command.registeredArguments.length === 0
const asHelp = (words: readonly string[]): string[] => [...words, '--help']

/**
 * The program for this line. Only the contract behind its first word is loaded, so that help, the version
 * and most typing errors are answered at once.
 */
export async function buildProgram(
  line: readonly string[],
  release: string,
  perform: Perform,
): Promise<Command> {
  const program = bareProgram(release)
  const word = firstWord(bareProgram(release), line)
  for (const { title, commands } of COMMANDS)
    for (const builtIn of commands) {
      const command = addBuiltIn(program, builtIn, perform).helpGroup(title)
      const load = new Map(Object.entries(DERIVED_BELOW)).get(builtIn.name)
      if (load !== undefined && word === builtIn.name)
        await addDerived(command, { word, summary: '', load }, perform)
    }
  for (const derived of DERIVED) {
    const command = failInWords(program.command(derived.word))
      .summary(derived.summary)
      .description(derived.summary)
      .helpGroup(DERIVED_TITLE)
    if (word === derived.word) await addDerived(command, derived, perform)
  }
  return program
}

function bareProgram(release: string): Command {
  const helpWidth = Math.min(HELP_WIDTH_MAX, process.stdout.columns || HELP_WIDTH_USUAL)
  return failInWords(new Command('polity'))
    .description('Runs autonomous components under law: checked before, carried out durably, provable after.')
    .usage('<command> [options]')
    .configureOutput({ outputError: () => undefined })
    .configureHelp({
      showGlobalOptions: true,
      helpWidth,
      styleUsage: (usage) => wrapText(usage, helpWidth - USAGE_INDENT.length).join(`\n${USAGE_INDENT}`),
      formatItem: helpItem,
      optionDescription: (option) => Help.prototype.optionDescription(withoutNamedChoices(option)),
      padWidth: (command, helper) => Math.min(TERM_WIDTH_MAX, Help.prototype.padWidth(command, helper)),
      // That it has options its own help says; here the words would stand in the way of what it does.
      subcommandTerm: (command) => Help.prototype.subcommandTerm(command).replace(' [options]', ''),
    })
    .helpOption('--help', 'show help')
    .helpCommand('help [command]', 'Shows help for a command.')
    .version(release, '--version', 'show the version')
    .addOption(new Option('--json', 'answer in JSON; errors as problem documents on stderr'))
    .addOption(
      new Option('--url <url>', 'the hub (default: the one of --data, or http://127.0.0.1:7070)').env(
        'POLITY_URL',
      ),
    )
    .addOption(
      new Option(
        '--token <token>',
        'who you are to the hub (default: the token in the folder of --data)',
      ).env('POLITY_TOKEN'),
    )
    .addOption(new Option('--data <dir>', 'folder of the hub (default: .polity)').env('POLITY_DATA'))
    .addOption(
      new Option('--store <url>', 'database that holds the log, as postgres://... (default: the folder)').env(
        'POLITY_STORE',
      ),
    )
    .addOption(
      new Option('--config <file>', 'configuration file (default: polity.yaml, where there is one)').env(
        'POLITY_CONFIG',
      ),
    )
    .addOption(new Option('--no-input', 'never ask anything'))
    .addOption(new Option('--yes', 'answer questions with yes'))
}

/** What commander adds would say them a second time. */
function withoutNamedChoices(option: Option): Option {
  if (!namesAll(option.description, option.argChoices ?? [])) return option
  const { argChoices: _, ...rest } = option
  return Object.assign(new Option(option.flags, option.description), rest)
}

/** Whether the words say of each choice that there is one: then they say it better than a list. */
function namesAll(description: string, choices: readonly string[]): boolean {
  const words = new Set(description.split(/[^\w-]+/))
  return choices.every((choice) => words.has(choice))
}

/** A line of help; on a narrow terminal the description stands below. */
function helpItem(term: string, termWidth: number, description: string, helper: Help): string {
  const width = helper.helpWidth ?? HELP_WIDTH_MAX
  const isBeside = width - termWidth - 4 >= DESCRIPTION_WIDTH_MIN
  const indent = ' '.repeat(isBeside ? termWidth + 4 : DESCRIPTION_INDENT)
  const lines = description === '' ? [] : foldedHelp(description, width - indent.length)
  const head = `  ${isBeside ? padText(term, termWidth) : term}`
  if (!isBeside || term.length > termWidth) return [head, ...lines.map((line) => indent + line)].join('\n')
  const [first = '', ...rest] = lines
  return [`${head}  ${first}`.trimEnd(), ...rest.map((line) => indent + line)].join('\n')
}

/** What stands in parentheses behind a colon stays in one line: `(env: POLITY_URL)`. */
const foldedHelp = (description: string, width: number): string[] =>
  wrapText(description.replace(/\(env: /g, `(env:${NO_BREAK}`), width).map((line) =>
    line.replaceAll(NO_BREAK, ' '),
  )

const NO_BREAK = '\u00a0'

/** The command's word, wherever global options stand around it. */
function firstWord(program: Command, line: readonly string[]): string | undefined {
  const { operands } = program.parseOptions([...line])
  return operands[0] === 'help' ? operands[1] : operands[0]
}

function addBuiltIn(
  program: Command,
  { name, args = [], summary, options = [], load, commands = [], isConfigured = false }: BuiltIn,
  perform: Perform,
): Command {
  const command = failInWords(program.command(name)).summary(summary).description(summary)
  for (const arg of args) command.addArgument(new Argument(arg.name, arg.help))
  for (const option of options) command.addOption(optionOf(option))
  for (const each of commands) addBuiltIn(command, each, perform)
  if (load === undefined) return command
  return command.action(async () => perform((await load()).run, command, command.args, isConfigured))
}

function optionOf({ flags, help, env, choices, parse }: CommandOption): Option {
  const option = new Option(flags, help)
  if (env !== undefined) option.env(env)
  if (choices !== undefined) option.choices(choices)
  if (parse !== undefined) option.argParser(parse)
  return option
}

/** Adds the commands of a contract whose path starts with the word: below it, or at it. */
async function addDerived(command: Command, { word, load }: DerivedWord, perform: Perform): Promise<void> {
  const [{ shapesOf }, { runDerived }, { presentationOf }, contract] = await Promise.all([
    import('./shape.ts'),
    import('./commands/derived.ts'),
    import('./presentations.ts'),
    load(),
  ])
  for (const shape of shapesOf(contract)) {
    const [first, ...rest] = shape.path
    if (first !== word) continue
    const target = rest.length === 0 ? command : failInWords(command.command(rest.join('-')))
    addShape(target, shape, (call) => runDerived(shape, call), perform)
    if (presentationOf(shape.definition.name)?.hasMore)
      target.addOption(new Option('--all', 'show everything'))
  }
}

function addShape(command: Command, shape: CommandShape, run: Run, perform: Perform): void {
  const { name, summary, kind, risk } = shape.definition
  command.summary(summary).description(summary)
  for (const [index, field] of shape.positional.entries())
    command.addArgument(
      new Argument(argumentOf(field, index === shape.positional.length - 1), argumentHelpOf(field)),
    )
  for (const field of shape.options) command.addOption(fieldOption(field))
  if (kind === 'query')
    command.addOption(new Option('--out <file>', 'write the answer to this file as canonical JSON'))
  if (name === CREATE_TOKEN)
    command.addOption(new Option('--out <file>', 'keep the token in this new file instead of showing it'))
  if (SIGNED_ACTIONS.has(name))
    command.addOption(new Option('--key <file>', 'sign it with the key in this file (approvals create-key)'))
  if (risk === 'critical')
    command.addHelpText('after', '\nThis is critical: it is asked first, unless --yes is given.')
  command.action(() => perform(run, command, command.args))
}

function argumentOf({ spelling, isRequired, isList }: Field, isLast: boolean): string {
  const name = isList && isLast ? `${spelling}...` : spelling
  return isRequired ? `<${name}>` : `[${name}]`
}

function fieldOption(field: Field): Option {
  const { spelling, kind, isList, isRequired, choices } = field
  const option = new Option(
    kind === 'boolean' ? `--${spelling}` : `--${spelling} <${isList ? 'value...' : kindName(field)}>`,
    isRequired ? `${helpOf(field)} (required)` : helpOf(field),
  )
  if (choices && !isList) option.choices(choices)
  return isRequired ? option.makeOptionMandatory() : option
}

const kindName = ({ kind }: Field): string => (kind === 'text' ? 'text' : kind)

function helpOf({ kind, isList, isDocument = false, description }: Field): string {
  const how = kind === 'json' ? 'JSON, @FILE or - for stdin' : isDocument ? '@FILE or - for stdin' : ''
  return [description ?? (isList ? 'one or more' : ''), how].filter((part) => part !== '').join('; ')
}

/** Commander shows the choices of an option itself; those of an argument are told here, unless its words do. */
function argumentHelpOf(field: Field): string {
  const { choices, isList, description = '' } = field
  const isTold = choices === undefined || isList || namesAll(description, choices)
  const choice = isTold ? '' : `one of ${choices.join(', ')}`
  return [helpOf(field), choice].filter((part) => part !== '').join('; ')
}

/** What commander cannot parse becomes an error of ours, which knows the command; help and version end quietly. */
const failInWords = (command: Command): Command =>
  command.exitOverride((error) => {
    throw error.exitCode === 0 ? error : parsingFailure(error, command)
  })

/** `polity mesh`, where a word below it is wrong; of a command without others, the program. */
function nameOf(command: Command): string {
  const { parent } = command
  if (parent === null) return command.name()
  return isGroup(command) ? `${nameOf(parent)} ${command.name()}` : 'polity'
}

/** Faults of a command that its own usage explains best. */
const SHOWN_BY_USAGE = new Set([
  'commander.excessArguments',
  'commander.missingArgument',
  'commander.missingMandatoryOptionValue',
])

function parsingFailure({ code, message }: CommanderError, command: Command): PolityError {
  if (code === 'commander.help') return usage('which command?', 'the list above names them')
  const [fault = '', ...suggestion] = message.replace(/^error: /, '').split('\n')
  return usage(
    [fault, ...suggestion].join(' ').trim(),
    SHOWN_BY_USAGE.has(code)
      ? `usage: ${command.createHelp().commandUsage(command)}`
      : `${nameOf(command)} --help lists the commands, and ${nameOf(command)} COMMAND --help their options`,
  )
}
