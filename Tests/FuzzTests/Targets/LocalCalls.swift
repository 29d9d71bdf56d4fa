import NetworkTypes

@testable import LocalAPI

/// A stream on the agent's socket: cut at NUL into messages, read as JSON, as calls, and as each call's parameters. The first
/// byte says how the stream arrives in pieces.
enum LocalCalls {
    static func run(_ input: [UInt8]) throws {
        var reader = InputReader(input)
        let piece = max(1, Int(reader.byte()))
        let stream = reader.remainder()
        var (framing, whole) = (VarlinkFraming(bytesMax: 2048), VarlinkFraming(bytesMax: 2048))
        var messages: [[UInt8]] = []
        var rest = stream[...]
        while !rest.isEmpty {
            guard let found = framing.messages(from: rest.prefix(piece)) else { break }
            messages += found
            rest = rest.dropFirst(piece)
        }
        if rest.isEmpty, let expected = whole.messages(from: stream[...]), expected != messages {
            throw BrokenPromise("messages depend on the pieces that they came in")
        }
        for message in messages { try read(message) }
    }

    private static func read(_ message: [UInt8]) throws {
        guard let json = try? JSONValue(parsing: message) else { return }
        let written = json.encoded()
        guard let again = try? JSONValue(parsing: written), again == json else {
            throw BrokenPromise("written as \(json), which reads otherwise")
        }
        _ = try? AgentStatusReport(json: json)
        _ = try? DropReport(json: json)
        guard let call = VarlinkCall(json: json) else { return }
        guard VarlinkCall(json: call.json) == call else { throw BrokenPromise("another call: \(call.json)") }
        try same(call.parameters, AttachCall.init(json:), \.json)
        try same(call.parameters, PlugCall.init(json:), \.json)
        try same(call.parameters, DetachCall.init(json:), \.json)
        try same(call.parameters, Attachment.init(json:), \.json)
    }

    /// Parameters that are taken are written so that they are taken again, with the same meaning.
    private static func same<Value: Equatable>(
        _ parameters: JSONValue, _ read: (JSONValue) throws -> Value, _ write: (Value) -> JSONValue
    ) throws {
        guard let value = try? read(parameters) else { return }
        guard let again = try? read(write(value)), again == value else {
            throw BrokenPromise("\(parameters) is taken, and written as \(write(value))")
        }
    }
}
