"""Item popularity: decayed click counts of each partition, their snapshots, and the merge of all partitions."""
