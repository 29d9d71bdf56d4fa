import NetworkTypes

/// One call (varlink.org, "Method call"): a JSON object, ended on the wire by a NUL byte.
public struct VarlinkCall: Hashable, Sendable {
    /// `interface.Method`.
    public var method: String
    public var parameters: JSONValue
    /// The caller wants no reply.
    public var oneway: Bool
    public init(method: String, parameters: JSONValue = .object([:]), oneway: Bool = false) {
        self.method = method
        self.parameters = parameters
        self.oneway = oneway
    }

    var json: JSONValue {
        .fields(["method": .string(method), "parameters": parameters, "oneway": oneway ? true : nil])
    }

    /// Nil when it is no call, or asks for what is not spoken here (`more`, `upgrade`).
    init?(json: JSONValue) {
        guard let method = json["method"]?.text, json["upgrade"] != true, json["more"] != true else { return nil }
        let parameters = json["parameters"] ?? .object([:])
        guard parameters.object != nil else { return nil }
        self.init(method: method, parameters: parameters, oneway: json["oneway"] == true)
    }
}

/// An error reply: a qualified name and parameters.
public struct VarlinkFailure: Error, Hashable, Sendable {
    /// `interface.Error`.
    public var name: String
    public var parameters: JSONValue
    public init(name: String, parameters: JSONValue = .object([:])) {
        self.name = name
        self.parameters = parameters
    }

    /// The call's parameter is missing or wrong.
    public static func invalidParameter(_ name: String, reason: String) -> VarlinkFailure {
        VarlinkFailure(
            name: "org.varlink.service.InvalidParameter",
            parameters: ["parameter": .string(name), "reason": .string(reason)])
    }
    public static func methodNotFound(_ method: String) -> VarlinkFailure {
        VarlinkFailure(name: "org.varlink.service.MethodNotFound", parameters: ["method": .string(method)])
    }
    public static func interfaceNotFound(_ interface: String) -> VarlinkFailure {
        VarlinkFailure(
            name: "org.varlink.service.InterfaceNotFound", parameters: ["interface": .string(interface)])
    }
}

extension JSONValue: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
    }
}

/// The bytes of a stream cut at NUL into messages.
struct VarlinkFraming {
    private var rest: [UInt8] = []
    let bytesMax: Int
    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// Nil when a message outgrows the limit.
    mutating func messages(from bytes: ArraySlice<UInt8>) -> [[UInt8]]? {
        var found: [[UInt8]] = []
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: 0) {
            guard rest.count + (end - start) <= bytesMax else { return nil }
            found.append(rest + bytes[start..<end])
            rest = []
            start = end + 1
        }
        rest += bytes[start...]
        return rest.count <= bytesMax ? found : nil
    }
}
