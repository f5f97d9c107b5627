//! Every tick on disk before the logic server sees it.
