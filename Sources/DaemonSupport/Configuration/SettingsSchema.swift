/// The keys that one program's configuration file may have, in the order of the default file.
public struct SettingsSchema: Sendable {
    /// The program, for the default file's first line.
    public let program: String
    /// What the file is for, one line each.
    let preamble: [String]
    let keys: [any AnySettingKey]

    init(program: String, preamble: [String], keys: [any AnySettingKey]) {
        precondition(Set(keys.map(\.name)).count == keys.count, "a key stands twice in the schema of \(program)")
        self.program = program
        self.preamble = preamble
        self.keys = keys
    }

    /// Names of all keys, in order.
    public var keyNames: [String] { keys.map(\.name) }

    /// The commented default file: every key with its documentation, accepted values and default. Every key stands as
    /// a comment, so that a file as shipped means the defaults and says clearly which required keys are missing.
    public var defaultFile: String {
        var lines = preamble.map { "# \($0)" }
        for key in keys {
            lines.append("")
            lines += key.documentation.map { "# \($0)" }
            lines += Self.wrap("\(key.presenceText) Accepts \(key.expected).", width: 116).map { "# \($0)" }
            lines += Self.render(key.name, key.shown).map { "#\($0)" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The configuration in force, defaults included, as a file that means the same.
    func effective(_ document: SettingsDocument) -> String {
        var lines: [String] = []
        for key in keys {
            guard let content = key.effective(document.entries[key.name]) else { continue }
            lines += Self.render(key.name, content)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    static func render(_ name: String, _ content: RawSetting.Content) -> [String] {
        switch content {
        case .scalar(let text): ["\(name): \(quoted(text))"]
        case .list(let texts) where texts.isEmpty: ["\(name): []"]
        case .list(let texts): ["\(name):"] + texts.map { "  - \(quoted($0))" }
        case .mapping: ["\(name): {}"]
        }
    }

    /// Plain text where YAML reads it back as the same characters, else quoted.
    private static func quoted(_ text: String) -> String {
        let plain = text.utf8.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                || Array("-._/:".utf8).contains($0)
        }
        if plain, !text.isEmpty, !text.hasPrefix("-"), !text.hasPrefix(":"), !text.hasSuffix(":") { return text }
        return "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    private static func wrap(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += line.isEmpty ? String(word) : " \(word)"
        }
        return lines + (line.isEmpty ? [] : [line])
    }

    func unknownKey(_ name: String, line: Int, file: String) -> ConfigurationProblem {
        let nearest = keyNames.min { editDistance($0, name) < editDistance($1, name) }
        let close = nearest.flatMap { editDistance($0, name) <= max(2, name.count / 3) ? $0 : nil }
        let fix = close.map { "did you mean '\($0)'?" } ?? "remove it; the keys are \(keyNames.joined(separator: ", "))"
        return ConfigurationProblem(
            file: file, line: line, key: name, problem: "\(program) has no such key", fix: fix)
    }
}

/// Insertions, deletions and substitutions between two words (Levenshtein).
func editDistance(_ left: String, _ right: String) -> Int {
    let (source, target) = (Array(left.utf8), Array(right.utf8))
    var row = Array(0...target.count)
    for i in source.indices {
        var previous = row[0]
        row[0] = i + 1
        for j in target.indices {
            let substitution = previous + (source[i] == target[j] ? 0 : 1)
            previous = row[j + 1]
            row[j + 1] = min(substitution, previous + 1, row[j] + 1)
        }
    }
    return row[target.count]
}
