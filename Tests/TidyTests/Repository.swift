import Foundation

/// The source tree that these tests look at.
enum Repository {
    /// Found from this file, through symbolic links.
    static let root: URL = {
        var url = URL(filePath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url
    }()

    /// Paths below the root of all files in `folders` whose names end with one of `extensions`, sorted. Build folders
    /// and hidden files are left out.
    static func files(in folders: [String], extensions: [String]) -> [String] {
        folders.flatMap { folder -> [String] in
            let base = root.appending(path: folder)
            guard let enumerator = FileManager.default.enumerator(atPath: base.path) else { return [] }
            return enumerator.compactMap { $0 as? String }
                .filter { path in
                    !path.split(separator: "/").contains { $0.hasPrefix(".") }
                        && extensions.contains { path.hasSuffix("." + $0) }
                }
                .map { "\(folder)/\($0)" }
        }.sorted()
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path)
    }

    /// Names of the folders directly in `folder`.
    static func folders(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
            .filter { name in
                var isFolder: ObjCBool = false
                let path = root.appending(path: folder).appending(path: name).path
                return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
            }.sorted()
    }

    /// Swift files of ours, read and scanned once; generated ones left out.
    static let swiftFiles: [SwiftFile] = files(in: ["Sources", "Tests", "Tools", "Benchmarks"], extensions: ["swift"])
        .filter { !$0.hasPrefix("Sources/ControlAPI/") }
        .compactMap { path in (try? text(path)).map { SwiftFile(path: path, text: $0) } }

    private static let supporting: Set = ["FleetSimulation", "NamespaceKit", "SimulationKit", "outrider-sim"]
    /// Those that end up in a shipped program.
    static let shippedFiles = swiftFiles.filter { file in
        file.path.hasPrefix("Sources/") && !supporting.contains(file.target)
    }
}

/// A Swift file and its code without comments and text literals.
struct SwiftFile: Sendable {
    let path: String
    /// Lines of the file as it is.
    let lines: [String]
    /// The same lines with comments and the content of literals blanked.
    let code: [String]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        code = SwiftScanner.code(of: text).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// Name of the folder below `Sources` or `Tests`.
    var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

    /// `path:line` of every line of code that `pattern` matches.
    ///
    /// - Parameter hint: text that every match contains; a plain search for it is far cheaper than the expression.
    func places(matching pattern: Regex<AnyRegexOutput>, hint: String) -> [String] {
        code.indices.filter { code[$0].contains(hint) && code[$0].contains(pattern) }.map {
            "\(path):\($0 + 1): \(lines[$0])"
        }
    }

    /// Modules imported.
    var imports: [String] {
        code.compactMap { line in
            guard line.contains("import ") else { return nil }
            var words = line.split(separator: " ")[...]
            while let first = words.first, first.hasPrefix("@") || Self.accessLevels.contains(String(first)) {
                words.removeFirst()
            }
            guard words.first == "import", let module = words.dropFirst().first else { return nil }
            return module.split(separator: ".").first.map(String.init)
        }
    }

    private static let accessLevels: Set = ["public", "package", "internal", "fileprivate", "private"]
}
