// Which language a path is written in, and how that language marks comments and texts.

/** How a lexer must read a language; everything absent is off. */
export interface Syntax {
  readonly line?: readonly string[]
  readonly block?: readonly (readonly [open: string, close: string])[]
  readonly nestedBlocks?: boolean
  /** Characters that open and close a text. */
  readonly quotes?: string
  /** Texts may run over the end of a line. */
  readonly multilineTexts?: boolean
  /** `"""` and `'''` open long texts. */
  readonly tripleQuotes?: boolean
  /** JavaScript's `${}` templates and regular expressions. */
  readonly templates?: boolean
  /** `'x'` is a character, `'x` is not a text. */
  readonly lifetimes?: boolean
  readonly rawTexts?: 'go' | 'rust' | 'cpp' | 'csharp'
  /** `#if` and the like take a whole line. */
  readonly preprocessor?: boolean
  /** Code stands between `<?php` and `?>`. */
  readonly isPhp?: boolean
}

/** Languages whose functions are measured; the others are unknown to the hotspot rule. */
export type Grammar = 'script' | 'java' | 'c' | 'cpp' | 'csharp' | 'go' | 'rust' | 'php' | 'python'

export interface Language {
  readonly name: string
  readonly syntax: Syntax | null
  readonly grammar?: Grammar
}

const SLASHES: Syntax = { line: ['//'], block: [['/*', '*/']], quotes: '"\'' }
const HASH: Syntax = { line: ['#'], quotes: '"\'', multilineTexts: true }
const SCRIPT: Syntax = { ...SLASHES, templates: true }
const C: Syntax = { ...SLASHES, preprocessor: true }
const MARKUP: Syntax = { block: [['<!--', '-->']] }

/** Language, its file extensions, how to read it, and whether its functions are measured. */
const TABLE: readonly (readonly [
  name: string,
  extensions: string,
  syntax: Syntax | null,
  grammar?: Grammar,
])[] = [
  ['TypeScript', 'ts mts cts tsx', SCRIPT, 'script'],
  ['JavaScript', 'js mjs cjs jsx', SCRIPT, 'script'],
  ['Python', 'py pyi pyw', { line: ['#'], quotes: '"\'', tripleQuotes: true }, 'python'],
  ['Java', 'java', { ...SLASHES, tripleQuotes: true }, 'java'],
  ['C', 'c h', C, 'c'],
  ['C++', 'cc cpp cxx c++ hh hpp hxx ipp', { ...C, rawTexts: 'cpp' }, 'cpp'],
  ['C#', 'cs', { ...C, rawTexts: 'csharp', tripleQuotes: true }, 'csharp'],
  ['Go', 'go', { ...SLASHES, rawTexts: 'go' }, 'go'],
  [
    'Rust',
    'rs',
    { ...SLASHES, quotes: '"', nestedBlocks: true, lifetimes: true, rawTexts: 'rust', multilineTexts: true },
    'rust',
  ],
  ['PHP', 'php phtml', { ...SLASHES, line: ['//', '#'], multilineTexts: true, isPhp: true }, 'php'],
  ['Kotlin', 'kt kts', { ...SLASHES, nestedBlocks: true, tripleQuotes: true }],
  ['Swift', 'swift', { ...SLASHES, quotes: '"', nestedBlocks: true, tripleQuotes: true }],
  ['Scala', 'scala sc', { ...SLASHES, nestedBlocks: true, tripleQuotes: true }],
  ['Objective-C', 'm mm', C],
  ['Dart', 'dart', { ...SLASHES, tripleQuotes: true }],
  ['Groovy', 'groovy gradle', { ...SLASHES, tripleQuotes: true }],
  ['Solidity', 'sol', SLASHES],
  ['Zig', 'zig', { line: ['//'], quotes: '"' }],
  ['Protocol Buffers', 'proto', SLASHES],
  ['CSS', 'css', { block: [['/*', '*/']], quotes: '"\'' }],
  ['Sass', 'scss sass less', SLASHES],
  ['Ruby', 'rb rake gemspec', HASH],
  ['Shell', 'sh bash zsh ksh', HASH],
  ['Perl', 'pl pm t', HASH],
  ['R', 'r', HASH],
  ['Elixir', 'ex exs', { ...HASH, tripleQuotes: true }],
  ['Julia', 'jl', { line: ['#'], block: [['#=', '=#']], quotes: '"', tripleQuotes: true }],
  ['PowerShell', 'ps1 psm1', { line: ['#'], block: [['<#', '#>']], quotes: '"\'', multilineTexts: true }],
  ['Nix', 'nix', { line: ['#'], block: [['/*', '*/']], quotes: '"' }],
  ['Terraform', 'tf tfvars hcl', { line: ['#', '//'], block: [['/*', '*/']], quotes: '"' }],
  ['YAML', 'yml yaml', { line: ['#'] }],
  ['TOML', 'toml', { line: ['#'] }],
  ['INI', 'ini cfg', { line: [';', '#'] }],
  ['Makefile', 'mk mak', { line: ['#'] }],
  ['CMake', 'cmake', { line: ['#'] }],
  ['SQL', 'sql', { line: ['--'], block: [['/*', '*/']], quotes: "'" }],
  ['Lua', 'lua', { line: ['--'], block: [['--[[', ']]']], quotes: '"\'' }],
  ['Haskell', 'hs', { line: ['--'], block: [['{-', '-}']], nestedBlocks: true, quotes: '"' }],
  ['Elm', 'elm', { line: ['--'], block: [['{-', '-}']], nestedBlocks: true, quotes: '"' }],
  ['OCaml', 'ml mli', { block: [['(*', '*)']], nestedBlocks: true, quotes: '"' }],
  ['F#', 'fs fsi fsx', { line: ['//'], block: [['(*', '*)']], quotes: '"' }],
  ['Erlang', 'erl hrl', { line: ['%'], quotes: '"' }],
  ['Clojure', 'clj cljs cljc edn', { line: [';'], quotes: '"', multilineTexts: true }],
  ['Lisp', 'lisp el scm rkt', { line: [';'], quotes: '"', multilineTexts: true }],
  ['Fortran', 'f90 f95 f03', { line: ['!'], quotes: '"\'' }],
  ['Assembly', 'asm s', { line: [';', '#', '//'], block: [['/*', '*/']] }],
  ['HTML', 'html htm xhtml', MARKUP],
  ['XML', 'xml xsd xsl xslt plist', MARKUP],
  [
    'Vue',
    'vue',
    {
      line: ['//'],
      block: [
        ['<!--', '-->'],
        ['/*', '*/'],
      ],
    },
  ],
  [
    'Svelte',
    'svelte',
    {
      line: ['//'],
      block: [
        ['<!--', '-->'],
        ['/*', '*/'],
      ],
    },
  ],
  ['GraphQL', 'graphql gql', { line: ['#'], quotes: '"' }],
  ['Markdown', 'md markdown mdx', null],
  ['reStructuredText', 'rst', null],
  ['AsciiDoc', 'adoc asciidoc', null],
  ['Text', 'txt', null],
  ['JSON', 'json jsonc json5', null],
  ['CSV', 'csv tsv', null],
  ['SVG', 'svg', null],
  ['Jupyter Notebook', 'ipynb', null],
]

const byExtension = new Map<string, Language>()
for (const [name, extensions, syntax, grammar] of TABLE) {
  const language: Language = grammar ? { name, syntax, grammar } : { name, syntax }
  for (const extension of extensions.split(' ')) byExtension.set(extension, language)
}

const byName = new Map<string, Language>([
  ['makefile', { name: 'Makefile', syntax: { line: ['#'] } }],
  ['gnumakefile', { name: 'Makefile', syntax: { line: ['#'] } }],
  ['dockerfile', { name: 'Dockerfile', syntax: { line: ['#'] } }],
  ['containerfile', { name: 'Dockerfile', syntax: { line: ['#'] } }],
  ['cmakelists.txt', { name: 'CMake', syntax: { line: ['#'] } }],
  ['rakefile', { name: 'Ruby', syntax: HASH }],
  ['gemfile', { name: 'Ruby', syntax: HASH }],
  ['jenkinsfile', { name: 'Groovy', syntax: { ...SLASHES, tripleQuotes: true } }],
  ['justfile', { name: 'Just', syntax: { line: ['#'] } }],
])

/** The language of a path by its name; null when the name does not tell. */
export function languageOf(path: string): Language | null {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase()
  const dot = name.lastIndexOf('.')
  return byName.get(name) ?? (dot > 0 ? byExtension.get(name.slice(dot + 1)) : undefined) ?? null
}
