import Foundation

/// Named network namespaces, as `ip netns` keeps them.
public enum NetworkNamespace {
    /// Where the kernel object of a named namespace is mounted.
    public static func path(_ name: String) -> String { "/run/netns/" + name }

    /// Makes the namespaces; an existing one is an error.
    public static func create(_ names: [String]) throws(KitError) {
        try Command.ipBatch(names.map { "netns add \($0)" })
    }

    /// Removes those that exist. Slow on purpose at the end of a run only: removal holds the kernel's network lock.
    public static func remove(_ names: [String]) throws(KitError) {
        let existing = Set(list())
        try Command.ipBatch(names.filter(existing.contains).map { "netns del \($0)" })
    }

    /// Names of all namespaces, ascending.
    public static func list() -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []).sorted()
    }

    /// Writes kernel settings inside a namespace; keys with slashes, such as `net/ipv4/ip_forward`.
    public static func setSysctls(_ settings: [(key: String, value: String)], in name: String) throws(KitError) {
        let script = settings.map { "echo \($0.value) > /proc/sys/\($0.key)" }.joined(separator: " && ")
        try Command.run(["sh", "-c", script], namespace: name)
    }
}
