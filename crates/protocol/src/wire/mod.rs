//! Requests and answers as JSON has them.
