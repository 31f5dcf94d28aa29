// What the path of a file says about it: a test, somebody else's code, or a machine's work.

const VENDORED =
  /(^|\/)(node_modules|bower_components|vendor|vendored|third[_-]?party|external|deps|\.yarn|Godeps|Pods|site-packages)\//i
const GENERATED_FOLDER = /(^|\/)(dist|build|out|generated|__generated__|__snapshots__|\.next|target)\//
const GENERATED_NAME =
  /(\.min\.(js|css)|\.map|\.snap|\.lock|\.pb\.go|_pb2(_grpc)?\.py|\.g\.dart|\.generated\.\w+|\.designer\.cs|-lock\.(json|yaml)|go\.sum|npm-shrinkwrap\.json|bun\.lockb?)$/i
const TEST_FOLDER = /(^|\/)(tests?|__tests__|specs?|e2e|testing|testdata|fixtures)\//i
const TEST_NAME =
  /([._-](test|tests|spec)\.\w+|(^|\/)test_[^/]+\.py|_test\.(go|py|rb|exs?|cc|cpp)|Tests?\.(java|kt|cs|php|swift|scala))$/

export const isVendored = (path: string) => VENDORED.test(path)
export const isGenerated = (path: string) => GENERATED_FOLDER.test(path) || GENERATED_NAME.test(path)
export const isTest = (path: string) => TEST_FOLDER.test(path) || TEST_NAME.test(path)

/** Written here by people: what ownership, coupling and hotspots look at. */
export const isOwnWork = (path: string) => !isVendored(path) && !isGenerated(path)
