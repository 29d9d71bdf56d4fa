import Yams

/// One key of a file as it stands there, before its form is known.
struct RawSetting: Hashable, Sendable {
    enum Content: Hashable, Sendable {
        case scalar(String)
        case list([String])
        case mapping
    }
    var content: Content
    /// Line of the key.
    var line: Int
    /// Lines of the list's elements.
    var elementLines: [Int] = []
}

/// The keys of one configuration file, checked against a schema: every key known, once, and of its form.
public struct SettingsDocument: Sendable {
    public let file: String
    let schema: SettingsSchema
    let entries: [String: RawSetting]

    /// Reads YAML text. Collects everything that is wrong before it throws.
    ///
    /// - Parameter file: name of the file, for messages only.
    init(yaml: String, file: String, schema: SettingsSchema) throws(ConfigurationError) {
        self.file = file
        self.schema = schema
        let entries = try Self.read(yaml, file: file)
        var problems: [ConfigurationProblem] = []
        for (name, raw) in entries {
            guard let key = schema.keys.first(where: { $0.name == name }) else {
                problems.append(schema.unknownKey(name, line: raw.line, file: file))
                continue
            }
            if let (line, found) = key.problem(with: raw) {
                problems.append(
                    ConfigurationProblem(
                        file: file, line: line, key: name, problem: found, expected: key.expected,
                        fix: "change or remove it"))
            }
        }
        for key in schema.keys where key.isRequired && entries[key.name] == nil {
            problems.append(
                ConfigurationProblem(
                    file: file, key: key.name, problem: "it is required and missing", expected: key.expected,
                    fix: "add a line '\(key.name): ...'"))
        }
        guard problems.isEmpty else { throw ConfigurationError(problems) }
        self.entries = entries
    }

    /// The value of a required or defaulted key of this document's schema.
    subscript<Value>(key: SettingKey<Value>) -> Value {
        guard let value = key.value(entries[key.name]) else {
            preconditionFailure("key '\(key.name)' is not of schema \(schema.program), or optional")
        }
        return value
    }

    /// The value of an optional key.
    subscript<Value>(optional key: SettingKey<Value>) -> Value? { key.value(entries[key.name]) }

    /// A problem with a key's value that only shows in the light of other keys.
    func contradiction<Value>(
        _ key: SettingKey<Value>, element: Int? = nil, _ problem: String, fix: String
    ) -> ConfigurationProblem {
        let raw = entries[key.name]
        let line = element.flatMap { index in
            raw.flatMap { $0.elementLines.indices.contains(index) ? $0.elementLines[index] : nil }
        }
        return ConfigurationProblem(file: file, line: line ?? raw?.line, key: key.name, problem: problem, fix: fix)
    }

    // MARK: Reading YAML

    private static func read(_ yaml: String, file: String) throws(ConfigurationError) -> [String: RawSetting] {
        let node: Node?
        do {
            node = try Yams.compose(yaml: yaml)
        } catch let error as YamlError {
            throw ConfigurationError([problem(error, yaml: yaml, file: file)])
        } catch {
            throw ConfigurationError([
                ConfigurationProblem(file: file, problem: "not readable as YAML (\(error))", fix: "mend the file")
            ])
        }
        guard let node, !isNull(node) else { return [:] }
        guard let mapping = node.mapping else {
            throw ConfigurationError([
                ConfigurationProblem(
                    file: file, line: node.mark?.line, problem: "the file is not a list of 'key: value' lines",
                    fix: "write one 'key: value' a line")
            ])
        }
        var entries: [String: RawSetting] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string else {
                throw ConfigurationError([
                    ConfigurationProblem(
                        file: file, line: key.mark?.line, problem: "a key is not a plain word",
                        fix: "write 'key: value'")
                ])
            }
            entries[name] = raw(value, line: key.mark?.line ?? 1)
        }
        return entries
    }

    private static func isNull(_ node: Node) -> Bool { node.scalar.map { $0.string.isEmpty } ?? false }

    private static func raw(_ node: Node, line: Int) -> RawSetting {
        switch node {
        case .scalar(let scalar): return RawSetting(content: .scalar(scalar.string), line: line)
        case .sequence(let sequence):
            var texts: [String] = []
            for element in sequence {
                guard let text = element.scalar?.string else { return RawSetting(content: .mapping, line: line) }
                texts.append(text)
            }
            return RawSetting(
                content: .list(texts), line: line, elementLines: sequence.map { $0.mark?.line ?? line })
        case .mapping, .alias: return RawSetting(content: .mapping, line: line)
        }
    }

    private static func problem(_ error: YamlError, yaml: String, file: String) -> ConfigurationProblem {
        switch error {
        case .duplicatedKeysInMapping(let keys, _):
            let key = keys.first ?? ""
            let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false).indices(ofKey: key)
            let first = lines.first.map { " (first on line \($0))" } ?? ""
            return ConfigurationProblem(
                file: file, line: lines.dropFirst().first, key: key, problem: "it stands twice\(first)",
                fix: "keep one of the two")
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return ConfigurationProblem(
                file: file, line: mark.line, problem: "not valid YAML: \(problem) (column \(mark.column))",
                fix: "mend the line; indent with spaces, write 'key: value'")
        default:
            return ConfigurationProblem(file: file, problem: "not valid YAML: \(error)", fix: "mend the file")
        }
    }
}

extension [Substring] {
    /// Line numbers, from 1, of the lines that begin with `key:`; libyaml reports duplicates without a line.
    fileprivate func indices(ofKey key: String) -> [Int] {
        enumerated().compactMap { index, line in
            guard line.hasPrefix(key), line.dropFirst(key.count).drop(while: { $0 == " " }).hasPrefix(":") else {
                return nil
            }
            return index + 1
        }
    }
}
