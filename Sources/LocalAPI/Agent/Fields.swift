import NetworkTypes

/// Typed access to the parameters of a call; every error names the parameter and what it must be.
struct Fields {
    let json: JSONValue
    private let prefix: String

    /// `known`: every key that may be there; nil takes any, for answers of a newer agent.
    init(_ json: JSONValue, name: String? = nil, known: [String]?) throws(VarlinkFailure) {
        guard let object = json.object else { throw .invalidParameter(name ?? "parameters", reason: "an object") }
        self.json = json
        prefix = name.map { $0 + "." } ?? ""
        if let known, let stranger = object.keys.filter({ !known.contains($0) }).min() {
            let reason = "not a parameter; known are \(known.joined(separator: ", "))"
            throw .invalidParameter(prefix + stranger, reason: reason)
        }
    }

    func isAbsent(_ key: String) -> Bool { json[key] == nil || json[key] == .null }

    func text(_ key: String) throws(VarlinkFailure) -> String {
        guard let text = json[key]?.text else { throw .invalidParameter(prefix + key, reason: "a text") }
        return text
    }

    func value<Value: LosslessStringConvertible>(
        _ key: String, _ what: String, as type: Value.Type = Value.self
    ) throws(VarlinkFailure) -> Value {
        guard let text = json[key]?.text, let value = Value(text) else {
            throw .invalidParameter(prefix + key, reason: what)
        }
        return value
    }

    func optional<Value: LosslessStringConvertible>(
        _ key: String, _ what: String, as type: Value.Type = Value.self
    ) throws(VarlinkFailure) -> Value? {
        isAbsent(key) ? nil : try value(key, what)
    }

    func integer(_ key: String, in allowed: ClosedRange<Int64>) throws(VarlinkFailure) -> Int64? {
        if isAbsent(key) { return nil }
        guard let number = json[key]?.integer, allowed.contains(number) else {
            let reason = "a whole number from \(allowed.lowerBound) to \(allowed.upperBound)"
            throw .invalidParameter(prefix + key, reason: reason)
        }
        return number
    }

    func count(_ key: String) throws(VarlinkFailure) -> Int {
        guard let number = try integer(key, in: 0...Int64(Int32.max)) else {
            throw .invalidParameter(prefix + key, reason: "a number")
        }
        return Int(number)
    }

    func number(_ key: String) throws(VarlinkFailure) -> UInt64 {
        guard let number = try integer(key, in: 0...Int64.max) else {
            throw .invalidParameter(prefix + key, reason: "a number")
        }
        return UInt64(number)
    }

    func flag(_ key: String) throws(VarlinkFailure) -> Bool {
        guard let value = json[key]?.bool else { throw .invalidParameter(prefix + key, reason: "true or false") }
        return value
    }

    func sni(_ key: String) throws(VarlinkFailure) -> SessionNetworkID {
        guard let number = json[key]?.integer, let raw = UInt32(exactly: number), let value = SessionNetworkID(raw)
        else { throw .invalidParameter(prefix + key, reason: "an identifier of 24 bits") }
        return value
    }

    func interface() throws(VarlinkFailure) -> VMInterface {
        let vm = try text("vm")
        guard let nic = try integer("nic", in: 0...255) else {
            throw .invalidParameter(prefix + "nic", reason: "a number from 0 to 255")
        }
        guard let value = VMInterface(vm: vm, nic: Int(nic)) else {
            throw .invalidParameter(prefix + "vm", reason: "1 to 128 printable ASCII characters without spaces")
        }
        return value
    }

    /// A name that the kernel takes (IFNAMSIZ and dev_valid_name in net/core/dev.c).
    func interfaceName(_ key: String) throws(VarlinkFailure) -> String {
        let name = try text(key)
        let plain = name.utf8.allSatisfy {
            (33...126).contains($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":")
        }
        guard (1...15).contains(name.utf8.count), plain, name != ".", name != ".." else {
            throw .invalidParameter(prefix + key, reason: "1 to 15 characters of an interface's name, not '\(name)'")
        }
        return name
    }

    func texts(_ key: String) throws(VarlinkFailure) -> [String] {
        guard let values = json[key]?.array else { throw .invalidParameter(prefix + key, reason: "a list of texts") }
        var result: [String] = []
        for value in values {
            guard let text = value.text else { throw .invalidParameter(prefix + key, reason: "a list of texts") }
            result.append(text)
        }
        return result
    }

    func list<Value>(
        _ key: String, _ read: (JSONValue) throws(VarlinkFailure) -> Value
    ) throws(VarlinkFailure) -> [Value] {
        guard let values = json[key]?.array else { throw .invalidParameter(prefix + key, reason: "a list") }
        var result: [Value] = []
        for value in values { result.append(try read(value)) }
        return result
    }
}

extension JSONValue {
    static func text(_ value: some LosslessStringConvertible) -> JSONValue { .string(value.description) }
    static func number(_ value: some BinaryInteger) -> JSONValue { .integer(Int64(clamping: value)) }
    static func milliseconds(_ value: Duration) -> JSONValue { .integer(value.inNanoseconds / 1_000_000) }
}
