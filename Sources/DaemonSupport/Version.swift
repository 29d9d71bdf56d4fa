/// The version of every program of this repository.
public enum Version {
    public static let current = "0.1.0"
}
