// The floors of the house: kit <- kernel <- modules <- doors <- main; between modules only contract.ts.

const TEST = '[.]test[.]ts$'
const MAIN_FLOOR = '^src/(boot/|hub[.]|index[.]|main[.]|release[.])'
/** What both terminal and page say of entries; the page's door serves it to browsers. */
const TELLING = '^src/doors/telling/'
const OUTSIDE_SRC = '^(test|bench|scripts|sdk|web)/'

/** Core modules that reach the disk, the network, another process or another thread. */
const IO =
  '^(node:)?(child_process|cluster|dgram|dns|fs|http|http2|https|inspector|net|os|process|readline|repl|sqlite|tls|tty|wasi|worker_threads)(/|$)'

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    rule(
      'kit-stands-alone',
      'Every algorithm of the kit can be published alone, so the kit knows no other floor.',
      { path: '^src/kit/' },
      { path: '^src/', pathNot: '^src/kit/' },
    ),
    rule(
      'kit-is-pure',
      'The kit does no I/O; bytes come in as arguments.',
      { path: '^src/kit/', pathNot: TEST },
      { path: IO },
    ),
    rule(
      'kernel-knows-no-feature',
      'The kernel is what every feature stands on; it imports only itself and the kit.',
      { path: '^src/kernel/' },
      { path: '^src/', pathNot: '^src/(kit|kernel)/' },
    ),
    rule(
      'modules-know-no-door',
      'A module is served by every door and therefore names none.',
      { path: '^src/modules/' },
      { path: '^src/doors/' },
    ),
    rule(
      'modules-know-no-main',
      'Modules are handed to the hub; only their tests may open one.',
      { path: '^src/modules/', pathNot: TEST },
      { path: MAIN_FLOOR },
    ),
    rule(
      'modules-meet-at-contracts',
      "Of another module only contract.ts may be imported; the rest is that module's own business.",
      { path: '^src/modules/([^/]+)/' },
      { path: '^src/modules/', pathNot: ['^src/modules/$1/', '^src/modules/[^/]+/contract[.]ts$'] },
    ),
    rule(
      'doors-know-no-main',
      'Doors are opened by main; only their tests may open a hub.',
      { path: '^src/doors/', pathNot: TEST },
      { path: MAIN_FLOOR },
    ),
    rule(
      'src-knows-no-outside',
      'What ships does not import tests, benchmarks, scripts, the SDK or the page.',
      { path: '^src/', pathNot: TEST },
      { path: OUTSIDE_SRC },
    ),
    rule(
      'tests-are-not-imported',
      'A test file is an end: what two tests share lives in a file of its own under test/.',
      {},
      { path: TEST },
    ),
    rule(
      'web-takes-types-only',
      'The page is a client like any other: from src it takes the types of contracts, and no code but the words.',
      { path: '^web/' },
      { path: '^src/', pathNot: TELLING, dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'web-takes-contracts-only',
      'Even types come to the page from contracts alone.',
      { path: '^web/' },
      { path: '^src/', pathNot: ['^src/modules/[^/]+/contract[.]ts$', TELLING] },
    ),
    rule(
      'telling-stands-alone',
      'The words for entries run in browsers, too: they import nothing but each other.',
      { path: TELLING, pathNot: TEST },
      { pathNot: TELLING },
    ),
    rule(
      'no-cycles',
      'Files that need each other are one file, or a third one is missing.',
      {},
      { circular: true },
    ),
    rule(
      'src-ships-its-dependencies',
      'Code that ships imports nothing that npm leaves out of an installation.',
      { path: '^src/', pathNot: [TEST, '[.]fixture[.]ts$'] },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    ),
    rule('imports-resolve', 'A rule cannot see an import that leads nowhere.', {}, { couldNotResolve: true }),
  ],
  options: {
    // Without this, `import type` would be compiled away before the rules look.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    // TypeScript among the fixtures is code; whatever else lies there is data.
    exclude: { path: '/fixtures/.*[.][cm]?js$' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
}
