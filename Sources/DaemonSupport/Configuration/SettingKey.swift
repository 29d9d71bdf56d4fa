/// One key of a configuration file: its name, form, default and documentation. The file that is shipped, the checks and
/// the typed settings all come from here.
public struct SettingKey<Value: Sendable>: Sendable {
    /// What a file without the key means.
    public enum Presence: Sendable {
        /// The file must have it; the text is an example.
        case required(example: String)
        /// It may be absent and then has no value; the text is an example.
        case optional(example: String)
        case defaulted(Value)
    }

    public let name: String
    public let presence: Presence
    /// Sentences for the commented default file, one line each, at most 110 characters.
    public let documentation: [String]
    let form: SettingForm<Value>
}

/// Scalar or list of scalars.
enum SettingForm<Value: Sendable>: Sendable {
    case scalar(ValueFormat<Value>)
    case list(
        expected: String, parse: @Sendable ([String]) -> Value?, firstBad: @Sendable ([String]) -> Int?,
        print: @Sendable (Value) -> [String])
}

extension SettingKey {
    static func scalar(
        _ name: String, _ format: ValueFormat<Value>, _ presence: Presence, _ documentation: String...
    ) -> SettingKey {
        SettingKey(name: name, presence: presence, documentation: documentation, form: .scalar(format))
    }

    static func list<Element: Sendable>(
        _ name: String, of format: ValueFormat<Element>, atLeast minimum: Int, _ presence: Presence,
        _ documentation: String...
    ) -> SettingKey where Value == [Element] {
        SettingKey(
            name: name, presence: presence, documentation: documentation,
            form: .list(
                expected: "a list of \(minimum) or more, each \(format.expected)",
                parse: { texts in
                    let values = texts.compactMap(format.parse)
                    return values.count == texts.count && values.count >= minimum ? values : nil
                }, firstBad: { texts in texts.firstIndex { format.parse($0) == nil } },
                print: { $0.map(format.print) }))
    }

    /// What is accepted, as the end of the sentence "expected ...".
    public var expected: String {
        switch form {
        case .scalar(let format): format.expected
        case .list(let expected, _, _, _): expected
        }
    }
}

/// A key without its value's type, so that a schema can hold all of them.
protocol AnySettingKey: Sendable {
    var name: String { get }
    var documentation: [String] { get }
    var expected: String { get }
    /// What the documentation says about an absent key.
    var presenceText: String { get }
    /// The value that the default file shows: the default, or an example.
    var shown: RawSetting.Content { get }
    var isRequired: Bool { get }
    /// Nil when the entry can be read; else the line and what is wrong.
    func problem(with raw: RawSetting) -> (line: Int, found: String)?
    /// The effective text: of the file, else the default, else nil.
    func effective(_ raw: RawSetting?) -> RawSetting.Content?
}

extension SettingKey: AnySettingKey {
    func content(_ value: Value) -> RawSetting.Content {
        switch form {
        case .scalar(let format): .scalar(format.print(value))
        case .list(_, _, _, let print): .list(print(value))
        }
    }

    var presenceText: String {
        switch presence {
        case .required: "REQUIRED; an example is shown."
        case .optional: "Optional; an example is shown."
        case .defaulted: "The default is shown."
        }
    }

    var isRequired: Bool {
        if case .required = presence { true } else { false }
    }

    var shown: RawSetting.Content {
        switch presence {
        case .required(let example), .optional(let example): .scalar(example)
        case .defaulted(let value): content(value)
        }
    }

    func problem(with raw: RawSetting) -> (line: Int, found: String)? {
        guard parse(raw) == nil else { return nil }
        switch (raw.content, form) {
        case (.scalar(let text), .scalar):
            return (raw.line, text.isEmpty ? "it has no value" : "'\(text)' is not accepted")
        case (.list, .scalar): return (raw.line, "it is a list")
        case (.scalar, .list): return (raw.line, "it is a single value, not a list")
        case (.list(let texts), .list(_, _, let firstBad, _)):
            guard let index = firstBad(texts) else { return (raw.line, "the list has only \(texts.count) entries") }
            return (raw.elementLines[index], "'\(texts[index])' is not accepted")
        case (.mapping, _): return (raw.line, "it has keys below it")
        }
    }

    func effective(_ raw: RawSetting?) -> RawSetting.Content? { value(raw).map(content) }

    func parse(_ raw: RawSetting) -> Value? {
        switch (raw.content, form) {
        case (.scalar(let text), .scalar(let format)): format.parse(text)
        case (.list(let texts), .list(_, let parse, _, _)): parse(texts)
        default: nil
        }
    }

    func value(_ raw: RawSetting?) -> Value? {
        if let raw { return parse(raw) }
        if case .defaulted(let value) = presence { return value }
        return nil
    }
}
