/// Where the CPU and memory of a VM are to be read, as a caller gives it.
public enum WorkloadWish: Hashable, Sendable {
    /// Number of its process, in the agent's process namespace.
    case process(Int32)
    /// Absolute path of its control group's folder, version 1 or 2.
    case controlGroup(String)

    public var json: JSONValue {
        switch self {
        case .process(let number): ["process": .number(number)]
        case .controlGroup(let path): ["control_group": .string(path)]
        }
    }

    public init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "workload", known: ["process", "control_group"])
        switch (fields.isAbsent("process"), fields.isAbsent("control_group")) {
        case (false, true):
            guard let number = try fields.integer("process", in: 1...Int64(Int32.max)) else {
                throw .invalidParameter("workload.process", reason: "a number")
            }
            self = .process(Int32(number))
        case (true, false):
            let path = try fields.text("control_group")
            guard path.hasPrefix("/"), !path.contains("\0") else {
                throw .invalidParameter("workload.control_group", reason: "an absolute path, not '\(path)'")
            }
            self = .controlGroup(path)
        default: throw .invalidParameter("workload", reason: "exactly one of process and control_group")
        }
    }
}

extension Fields {
    func workload() throws(VarlinkFailure) -> WorkloadWish? {
        guard let value = json["workload"], value != .null else { return nil }
        return try WorkloadWish(json: value)
    }
}
